import CustodyStore
import Foundation

extension Principal {
    /// Whoever runs this command, as the machine knows them.
    static let commandLine = Principal(name: "cli:\(NSUserName())", origin: Machine.name)
}

/// This machine.
private enum Machine {
    /// Its name, without asking anybody else for it.
    static let name: String = {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "unknown" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}
