import CustodyConnectors
import CustodyDomain
import CustodyWire
import Foundation

extension Spool {
    /// A directory of this process.
    static let ofTests = Spool(
        directory: FileManager.default.temporaryDirectory.appending(
            path: "custody-spool-\(ProcessInfo.processInfo.processIdentifier)"
        ).path)
}

extension BillAnswer {
    /// The file's bytes, all of them.
    var bytes: [UInt8]? {
        get throws { try file.map { try $0.bytes(at: 0, count: $0.size) } }
    }
}

extension CustodyConnectors.Channel {
    /// The trade bill of a day, into the tests' spool.
    func tradeBill(of date: BusinessDate) async -> Reply<BillAnswer> { await bill(.trade, of: date, into: .ofTests) }
}

extension Custodian {
    /// A file of a day, into the tests' spool.
    func file(_ kind: CustodianFileKind, of date: BusinessDate, serial: String) async -> Reply<BillAnswer> {
        await file(kind, of: date, into: .ofTests, serial: serial)
    }
}
