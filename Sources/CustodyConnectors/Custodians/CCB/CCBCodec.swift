import CustodyDomain
import CustodyWire

/// CCB 惠市宝's codec: JSON with the signature over its spliced fields inside.
struct CCBCodec: Sendable {
    let link: CCBLink
    private let outbound: Outbound
    private let clock: @Sendable () -> Instant
    private let seal: CCBSeal

    init(link: CCBLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant) throws {
        self.link = link
        self.outbound = outbound
        self.clock = clock
        seal = try CCBSeal(privateKeyPEM: link.platformPrivateKeyPEM, otherPublicKeyPEM: link.bankPublicKeyPEM)
    }

    /// Real time.
    var now: Instant { clock() }

    /// One exchange. Answered: the bank took the request; what became of it its fields say.
    func exchange(_ function: String, _ fields: [JSON.Member]) async -> Reply<JSON> {
        let now = clock()
        let request: JSON
        do {
            request = try seal.signed(
                CCBMessage.request(fields, link: link, journal: CCBCodec.journal(now), at: now), .exchange)
        } catch {
            return .refused(Refusal(code: "signing", message: "the request could not be signed"))
        }
        do throws(Doubt) {
            let answer = try await outbound.call(
                "POST", link.baseURL + CCBMessage.path + function,
                headers: [("Content-Type", "application/json; charset=utf-8")], body: request.bytes,
                operation: function)
            return try judge(function, try verified(answer))
        } catch {
            return .unknown(error)
        }
    }

    /// A file that the bank put down; nil when it is not there.
    func download(_ url: String, into spool: Spool, named name: String) async throws(Doubt) -> StatementFile? {
        switch try await outbound.download(url, headers: [], into: spool, named: name, operation: "files") {
        case .file(let file): return file
        case .answer(let answer) where answer.status == 404: return nil
        case .answer(let answer): throw Doubt(.systemError, String(answer.status))
        }
    }

    /// A number that no attempt had before: the time, and chance.
    private static func journal(_ now: Instant) -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<15).map { _ in String(Int.random(in: 0...9, using: &generator)) }.joined()
        return now.shanghaiCompactMilliseconds + digits
    }

    private func verified(_ answer: Outbound.Answer) throws(Doubt) -> JSON {
        guard answer.status != 429 else {
            throw Doubt(.rateLimited, "429", retryAfter: answer.retryAfter)
        }
        guard answer.status < 500 else {
            throw Doubt(.systemError, String(answer.status), retryAfter: answer.retryAfter)
        }
        let message: JSON
        do { message = try JSON(parsing: answer.body) } catch {
            throw Doubt(.malformedAnswer, "status \(answer.status)")
        }
        do { try seal.verify(message, .exchange) } catch { throw Doubt(.badSignature, error.rawValue) }
        return message
    }

    private func judge(_ function: String, _ message: JSON) throws(Doubt) -> Reply<JSON> {
        if try message.text("Svc_Rsp_St") == "00" { return .answered(message) }
        let code = message["Svc_Rsp_Cd"]?.string ?? "01"
        return .meaning(
            CCBCodes.meaning(code, of: function), code: code,
            message: CustodianText.masked(message["Rsp_Inf"]?.string ?? ""))
    }
}

/// What CCB's refusals (`Svc_Rsp_St` 01) mean.
///
/// Source: the interface's design document says that a refund is found by its own number whatever was answered, and lists no
/// codes; so a refusal settles nothing where money may have moved.
enum CCBCodes {
    private static let movesMoney: Set<String> = ["refundOrder", "mergeNoticeArrival"]

    /// The meaning of a refusal of a function.
    static func meaning(_ code: String, of function: String) -> CodeMeaning {
        movesMoney.contains(function) || function.contains("nquire") ? .unknown(.systemError) : .refused(.final)
    }
}
