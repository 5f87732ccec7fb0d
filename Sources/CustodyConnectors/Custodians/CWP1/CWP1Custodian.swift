import CustodyDomain
import CustodyWire

/// A bank that speaks CWP/1, for one platform's market.
public struct CWP1Custodian: Custodian {
    let link: CWP1Link
    let outbound: Outbound
    let clock: @Sendable () -> Instant
    private let signer: CWP1Signer
    private let verifier: CWP1Verifier

    /// Reads the link's keys.
    ///
    /// - Parameter clock: Real time, for the freshness of signatures; never a test clock.
    /// - Throws: When a key is not PEM, or the bank has none.
    public init(link: CWP1Link, outbound: Outbound, clock: @escaping @Sendable () -> Instant) throws {
        guard !link.bankKeys.isEmpty else { throw CWP1Rejection.unknownSerial }
        self.link = link
        self.outbound = outbound
        self.clock = clock
        signer = try CWP1Signer(serial: link.partnerSerial, privateKeyPEM: link.partnerPrivateKeyPEM)
        verifier = try CWP1Verifier(keys: link.bankKeys)
    }

    /// One exchange. Answered: the bank accepted the instruction, or recorded it as failed.
    func exchange(_ txnCode: String, serial: String, body: JSON) async -> Reply<CWP1Response> {
        await exchange(txnCode, serial: serial, body: body, sessionKey: nil)
    }

    /// One exchange with personal fields, sealed under a session key of this message.
    func exchange(
        _ txnCode: String, serial: String, sealing body: (CWP1SessionKey) throws -> JSON
    ) async -> Reply<CWP1Response> {
        let key = CWP1SessionKey()
        do {
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
                    path: CWP1Custodian.path(of: url), partnerID: link.partnerID, txnCode: txnCode, number: serial),
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
                message: CWP1Text.masked(response.message))
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
    var refusal: Refusal { Refusal(code: returnCode.text, message: CWP1Text.masked(message)) }
}

/// Text of the bank's that may be shown to people.
enum CWP1Text {
    /// Runs of seven digits and more become asterisks but for the last four: they may be account, ID or phone numbers.
    static func masked(_ text: String) -> String {
        var result = ""
        var run = ""
        for character in text + "\u{0}" {
            if character.isASCII, character.isNumber {
                run.append(character)
                continue
            }
            result += run.count >= 7 ? String(repeating: "*", count: run.count - 4) + run.suffix(4) : run
            run = ""
            result.append(character)
        }
        return String(result.dropLast())
    }
}

extension JSON {
    /// A string, or the answer makes no sense.
    func text(_ name: String) throws(Doubt) -> String {
        guard let text = self[name]?.string, !text.isEmpty else { throw Doubt(.malformedAnswer, "no \(name)") }
        return text
    }

    /// An instant, if it is there and reads as one.
    func instant(_ name: String) -> Instant? { self[name]?.string.flatMap { Instant(text: $0) } }

    /// A date, if it is there and reads as one.
    func date(_ name: String) -> BusinessDate? { self[name]?.string.flatMap { BusinessDate($0) } }

    /// An amount in yuan, or the answer makes no sense.
    func amount(_ name: String) throws(Doubt) -> Fen {
        guard let text = self[name]?.string, let amount = Fen(yuan: text) else {
            throw Doubt(.malformedAnswer, "no \(name)")
        }
        return amount
    }
}
