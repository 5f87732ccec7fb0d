import CustodyDomain
import CustodyWire
import Synchronization

/// Daily packages, in GBK, where they are put down: `/files/{Mkt_Id}-{yyyyMMdd}/{Mkt_Id}-{yyyyMMdd}-chk.txt`.
extension CCBSimulator {
    /// A file of a package that is there.
    func download(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
        guard parts.count == 3, parts[1].utf8.count == 23, let date = BusinessDate(String(parts[1].suffix(8))) else {
            return .controlError(404, "no such path")
        }
        let marketID = String(parts[1].prefix(14))
        let found = CCBPackage.Part.allCases.first {
            CCBPackage.fileName($0, market: marketID, date: date) == parts[2]
        }
        guard let part = found, let market = state.withLock({ $0.markets[marketID] }),
            clock.now(of: marketID) >= date.advanced(by: 1).start + CCBMarket.filesReadyAfter
        else { return .controlError(404, "no such file") }
        var lines = market.lines(part, on: date)
        let fault = faults.take("file", merchant: marketID, serial: part.rawValue)?.fault
        switch fault {
        case "missing": return .controlError(404, "no such file")
        case "html": return .answer(status: 200, headers: [], body: Array("<html></html>".utf8))
        case "missing_row": lines.removeLast(min(1, lines.count - 1))
        case "doubled_row": lines.append(lines[lines.count - 1])
        case "wrong_amount": lines.append(CCBSimulator.dearer(lines.removeLast(), by: lines[0]))
        default: break
        }
        guard let bytes = try? GB18030.encode(lines.map { $0 + "\n" }.joined()) else {
            return .controlError(500, "the file cannot be written")
        }
        return .answer(
            status: 200, headers: [], body: fault == "truncated" ? Array(bytes.prefix(bytes.count * 2 / 3)) : bytes)
    }

    /// A row whose amounts that must agree with another file's are a fen more.
    private static func dearer(_ row: String, by header: String) -> String {
        let titles = header.split(separator: "|").map(String.init)
        let values = row.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        return zip(titles, values).map { title, value in
            guard ["TO_CLRGAMT", "CLRGAMT", "SHLD_SUBACC_AMT"].contains(title), let amount = Fen(yuan: value) else {
                return value
            }
            return (amount + Fen(1)).yuan
        }.joined(separator: "|")
    }
}
