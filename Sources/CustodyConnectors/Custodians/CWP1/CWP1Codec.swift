import CustodyDomain
import CustodyWire

/// CWP/1's codec: one message there and its answer back, signed, encrypted, and surely the bank's to that very message.
struct CWP1Codec: Sendable {
    let link: CWP1Link
    private let outbound: Outbound
    private let clock: @Sendable () -> Instant
    private let signer: CWP1Signer
    private let verifier: CWP1Verifier
    /// Of which kind the key is that personal fields are encrypted to.
    private let receiverAlgorithm: CWP1Algorithm

    /// Reads the link's keys, see ``CWP1Custodian/init(link:outbound:clock:)``.
    init(link: CWP1Link, outbound: Outbound, clock: @escaping @Sendable () -> Instant) throws {
        guard let receiver = link.bankKeys.first else { throw CWP1Rejection.unknownSerial }
        self.link = link
        self.outbound = outbound
        self.clock = clock
        signer = try CWP1Signer(serial: link.partnerSerial, privateKeyPEM: link.partnerPrivateKeyPEM)
        verifier = try CWP1Verifier(keys: link.bankKeys)
        receiverAlgorithm = try CWP1Algorithm(ofPublicKeyPEM: receiver.pem)
    }

    /// One exchange. Answered: the bank accepted the instruction, or recorded it as failed.
    func exchange(_ txnCode: String, serial: String, body: JSON) async -> Reply<CWP1Response> {
        await exchange(txnCode, serial: serial, body: body, sessionKey: nil)
    }

    /// One exchange with personal fields, sealed under a session key of this message.
    func exchange(
        _ txnCode: String, serial: String, sealing body: (CWP1SessionKey) throws -> JSON
    ) async -> Reply<CWP1Response> {
        do {
            let key = try CWP1SessionKey(receiverAlgorithm)
            return await exchange(txnCode, serial: serial, body: try body(key), sessionKey: key)
        } catch {
            return .refused(Refusal(code: "encryption", message: "personal fields could not be encrypted"))
        }
    }

    private func exchange(
        _ txnCode: String, serial: String, body: JSON, sessionKey: CWP1SessionKey?
    ) async -> Reply<CWP1Response> {
        let request = CWP1Request(
            txnCode: txnCode, partnerID: link.partnerID, marketID: link.marketID, number: serial, at: clock(),
            body: body
        )
        let url = link.baseURL + CWP1Request.path
        let bytes = request.bytes
        let headers: CWP1Headers
        do {
            headers = try signer.headers(
                for: .request(
                    path: CWP1Codec.path(of: url), partnerID: link.partnerID, txnCode: txnCode, number: serial),
                body: bytes, at: clock(),
                encryptionKey: try sessionKey?.wrapped(forPublicKeyPEM: link.bankKeys[0].pem)
            )
        } catch {
            return .refused(Refusal(code: "signing", message: "the request could not be signed"))
        }
        do throws(Doubt) {
            let answer = try await outbound.call(
                "POST", url, headers: headers.fields + [("Content-Type", "application/json; charset=utf-8")],
                body: bytes
            )
            return judge(try verified(answer, to: request))
        } catch {
            return .unknown(error)
        }
    }

    /// The answer, if it is surely the bank's to this very request.
    private func verified(_ answer: Outbound.Answer, to request: CWP1Request) throws(Doubt) -> CWP1Response {
        guard answer.status != 429 else {
            throw Doubt(.rateLimited, "429", retryAfter: answer.retryAfter)
        }
        guard answer.status < 500 else {
            throw Doubt(.systemError, String(answer.status), retryAfter: answer.retryAfter)
        }
        let response: CWP1Response
        do { response = try CWP1Response(parsing: answer.body) } catch {
            throw Doubt(.malformedAnswer, "status \(answer.status)")
        }
        do {
            try verifier.verify(
                try CWP1Headers(reading: answer.header),
                of: .response(
                    status: answer.status, partnerID: request.partnerID, txnCode: request.txnCode,
                    number: request.number),
                body: answer.body, at: clock()
            )
        } catch {
            throw Doubt(.badSignature, error.rawValue)
        }
        guard response.number == request.number, response.txnCode == request.txnCode,
            response.partnerID == request.partnerID
        else { throw Doubt(.malformedAnswer, "answers another request") }
        return response
    }

    private func judge(_ response: CWP1Response) -> Reply<CWP1Response> {
        switch response.returnCode.meaning {
        case .accepted, .businessFailed: return .answered(response)
        case .rejected, .duplicateDifferent, .unknown:
            return .meaning(
                CWP1Codes.meaning(response.returnCode), code: response.returnCode.text,
                message: CustodianText.masked(response.message))
        }
    }

    /// Hands bytes in under a name; the signed message that names them and their digest says whose they are.
    func upload(_ bytes: [UInt8], name: String) async throws(Doubt) {
        let answer = try await outbound.call(
            "PUT", "\(link.baseURL)\(CWP1Request.uploadPath)/\(link.marketID)/\(name)",
            headers: [("Content-Type", "application/octet-stream")], body: bytes)
        guard answer.status < 300 else { throw Doubt(.systemError, String(answer.status)) }
    }

    /// The bytes at a path of the bank, a few; nil when nothing is there yet.
    func read(_ path: String) async throws(Doubt) -> [UInt8]? {
        let answer = try await outbound.call("GET", link.baseURL + path, headers: [])
        if answer.status == 404 { return nil }
        guard answer.status == 200 else { throw Doubt(.systemError, String(answer.status)) }
        return answer.body
    }

    /// The file at a path of the bank; nil when nothing is there yet.
    func download(_ path: String, into spool: Spool, named name: String) async throws(Doubt) -> StatementFile? {
        switch try await outbound.download(link.baseURL + path, headers: [], into: spool, named: name) {
        case .file(let file): return file
        case .answer(let answer) where answer.status == 404: return nil
        case .answer(let answer): throw Doubt(.systemError, String(answer.status))
        }
    }

    /// The path of a URL, as it is signed.
    static func path(of url: String) -> String {
        let rest = url.split(separator: "://", maxSplits: 1).last ?? ""
        guard let slash = rest.firstIndex(of: "/") else { return "/" }
        return String(rest[slash...].prefix { $0 != "?" })
    }
}

extension Reply {
    /// Reads what was answered; an answer that makes no sense leaves the outcome unknown.
    func reading<Other>(_ read: (Value) throws(Doubt) -> Other) -> Reply<Other> {
        switch self {
        case .answered(let value):
            do throws(Doubt) { return .answered(try read(value)) } catch { return .unknown(error) }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }
}

extension CWP1Response {
    /// Its code and sentence.
    var refusal: Refusal { Refusal(code: returnCode.text, message: CustodianText.masked(message)) }
}
