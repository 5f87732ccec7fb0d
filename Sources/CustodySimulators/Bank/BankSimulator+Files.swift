import CustodyDomain
import CustodyWire
import Synchronization

/// Files handed out and in.
extension BankSimulator {
    func download(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
        if parts.count == 4, parts[2] == "batches", parts[3].hasSuffix("-fail.txt") {
            let failures = state.withLock { $0.markets[parts[1]]?.failFile(String(parts[3].dropLast(9))) }
            return failures.map { .answer(status: 200, headers: [], body: $0) } ?? .controlError(404, "no such file")
        }
        guard parts.count == 4,
            let file = state.withLock({ $0.markets[parts[1]]?.file(date: parts[2], name: parts[3]) }),
            let bytes = try? file.bytes(), let ok = try? file.ok()
        else { return .controlError(404, "no such file") }
        let isOK = parts[3] == file.okName
        let fault = faults.take(isOK ? "FILE.OK" : "FILE.GET", merchant: parts[1], serial: file.kind.rawValue)?.fault
        switch fault {
        case "missing": return .controlError(404, "no such file")
        case "truncated": return .answer(status: 200, headers: [], body: Array(bytes.prefix(bytes.count * 2 / 3)))
        case "wrong_digest":
            return .answer(status: 200, headers: [], body: isOK ? BankSimulator.spoiled(ok) : bytes + [0x0A])
        case "wrong_total":
            return .answer(status: 200, headers: [], body: isOK ? ok : BankSimulator.mistotalled(bytes))
        case "html": return .answer(status: 200, headers: [], body: Array("<html></html>".utf8))
        default: return .answer(status: 200, headers: [], body: isOK ? ok : bytes)
        }
    }

    private static func spoiled(_ ok: [UInt8]) -> [UInt8] {
        guard let members = (try? JSON(parsing: ok))?.members else { return [] }
        return JSON.object(members.map { $0.name == "sha256" ? .init("sha256", "00") : $0 }).bytes
    }

    /// A file whose last line counts one record more.
    private static func mistotalled(_ bytes: [UInt8]) -> [UInt8] {
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        guard let last = lines.popLast() else { return bytes }
        var values = last.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        if values.count > 1, let count = Int(values[1]) { values[1] = String(count + 1) }
        return Array((lines + [values.joined(separator: "|")]).map { $0 + "\n" }.joined().utf8)
    }

    /// The longest file that may be handed in: 5 MiB.
    private static let uploadLimit = 5 << 20

    /// Takes a file in; it is nobody's until a signed message names its digest.
    func upload(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
        guard parts.count == 5, parts[4].utf8.count <= 64 else { return .controlError(404, "no such path") }
        guard request.body.count <= BankSimulator.uploadLimit else { return .controlError(413, "too large") }
        let isKnown = state.withLock { state in
            guard state.markets[parts[3]] != nil else { return false }
            state.markets[parts[3]]?.uploads[parts[4]] = request.body
            return true
        }
        return isKnown ? .answer(status: 204, headers: [], body: []) : .controlError(404, "no such market")
    }
}
