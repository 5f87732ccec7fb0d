import CustodyDomain
import CustodyWire

/// Daily files.
extension CWP1Custodian {
    /// FILE.APPLY, then the file and its `.ok` by GET: taken only when both are there and agree with each other and the answer.
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, serial: String
    ) async -> Reply<BillAnswer> {
        let applied = await exchange(
            "FILE.APPLY", serial: serial, body: ["type": .string(kind.rawValue), "bankDate": .string(date.compact)])
        switch applied {
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        case .answered(let response):
            guard response.returnCode.meaning == .accepted else { return .refused(response.refusal) }
            do throws(Doubt) {
                return .answered(try await take(response.body))
            } catch {
                return .unknown(error)
            }
        }
    }

    private func take(_ body: JSON) async throws(Doubt) -> BillAnswer {
        let status = try body.text("status")
        if status == "GENERATING" { return .notReady }
        // Several files are issues of the same one: the last replaces the others.
        guard let newest = body["files"]?.array?.last else {
            guard status == "EMPTY" else { throw Doubt(.malformedAnswer, "no files") }
            return .empty
        }
        let name = try newest.text("name")
        let path = try newest.text("path")
        guard path.hasPrefix("/"), path.hasSuffix(".txt"), !name.contains("/") else {
            throw Doubt(.malformedAnswer, "path")
        }
        guard let ok = try await download(String(path.dropLast(4)) + ".ok"), let bytes = try await download(path)
        else { return .notReady }
        guard newest["digest"]?.string == CWP1File.digest(of: bytes) else {
            throw Doubt(.malformedAnswer, "the file has another digest than the answer said")
        }
        do {
            _ = try VerifiedStatement(verifying: StatementFile(bytes, name: name), from: .bank, ok: ok)
        } catch {
            throw Doubt(.malformedAnswer, error.sentence)
        }
        return .file(name: name, bytes: bytes)
    }

    /// The bytes at a path of the bank; nil when nothing is there yet.
    private func download(_ path: String) async throws(Doubt) -> [UInt8]? {
        let answer = try await outbound.call("GET", link.baseURL + path, headers: [])
        if answer.status == 404 { return nil }
        guard answer.status == 200 else { throw Doubt(.systemError, String(answer.status)) }
        return answer.body
    }
}
