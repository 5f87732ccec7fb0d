import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Foundation
import Synchronization

/// A bank that speaks CWP/1: markets, sub-accounts, a double-entry book, daily files, notifications, and faults on demand.
///
/// Faults by operation (`POST /control/faults`; `match.merchant` is the market):
/// - any txnCode, not executed: `no_answer`, `silence` (`seconds`), `http_500`, `rate_limited`, `html`, `empty`,
///   `system_error`, `reject` (`ret_code`);
/// - any txnCode, executed: `execute_no_answer`, `execute_silence` (`seconds`), `execute_http_500`,
///   `execute_system_error`, `execute_html`, `execute_empty`, `bad_signature`, `no_signature`, `stale_time`,
///   `unknown_status`; `business_failed` (`ret_code`) is recorded;
///   `execute_late` (`seconds`) drops the connection and executes later; `notify_first` sends what it has to say before
///   it answers;
/// - `WDR.CREATE`: `failed` (ends FAILED), `processing` (never ends), `returned` (`days`);
/// - `REF.CREATE`: `delayed`, `uncertain`, `to_confirm` (each ends well after `seconds`), `processing`, `failed`;
/// - `SPLIT.CREATE`: `part_failed` (the first item); `BATCH.CREATE`, `MCH.IMPORT`: `part_success` (but the first row);
/// - `TXN.QUERY` (`match.serial` is the instruction's number): `not_found`, `processing`;
/// - `FILE.APPLY`, `FILE.GET`, `FILE.OK` (`match.serial` is the type, such as `PAY`): `generating`, `no_file`; `missing`,
///   `truncated`, `wrong_digest`, `wrong_total`, `html`;
/// - `WDR.NOTIFY` and the like: `drop`, `duplicate` (`copies`), `concurrent` (`copies`), `late` (`seconds`),
///   `out_of_order`, `late_processing` (`seconds`: after the final one, one that says PROCESSING), `bad_signature`, `stale_time`.
public final class BankSimulator: Simulator {
    /// A market and who may speak for it.
    struct Registration: Sendable {
        let verifier: CWP1Verifier
        /// How it signs, and is signed to.
        let algorithm: CWP1Algorithm
        let notifyURL: String?
        /// From where it may call; nil for anywhere.
        let addresses: Set<String>?
    }

    struct State: Sendable {
        var markets: [String: BankMarket] = [:]
        var registrations: [String: Registration] = [:]
        var nonces = CWP1NonceMemory()
        /// Notifications held back until the next one of their market.
        var held: [String: [BankNotification]] = [:]
        var notifyCounter = 0
        var keys: BankKeys
    }

    let client: HTTPClient
    let state: Mutex<State>
    private let frame: SimulatorFrame

    var clock: SimulatorClock { frame.clock }
    var faults: FaultRules { frame.faults }
    /// Real time as the bank's own clock has it, for signatures.
    var realNow: Instant { frame.line.realNow }

    /// Makes a bank that does not listen yet.
    ///
    /// - Parameters:
    ///   - host: The address to bind.
    ///   - port: The port to bind; 0 lets the system choose, see ``boundPort()``.
    ///   - line: How it is reached; without TLS by default.
    ///   - client: Carries notifications; owned and shut down by the caller.
    public init(
        host: String = "127.0.0.1", port: Int = 0, line: SimulatorLine = SimulatorLine(), client: HTTPClient
    ) throws {
        self.client = client
        state = Mutex(State(keys: try BankKeys()))
        frame = SimulatorFrame(host: host, port: port, line: line)
        frame.serve { [unowned self] in await self.respond(to: $0) }
    }

    /// The port in use; waits until the bank listens.
    public func boundPort() async throws -> Int { try await frame.boundPort() }

    /// Plays a scenario's control requests.
    public func play(_ scenario: SimulatorScenario) async throws(SimulatorScenario.Failure) {
        try await frame.play(scenario)
    }

    /// Listens, and lets time pass, until the task is cancelled or its service group shuts down.
    public func run() async throws { try await frame.run() }

    private func respond(to request: SimulatorRequest) async -> SimulatorResponse {
        if request.path.hasPrefix("/control/") { return control(request) }
        if request.method == "GET", request.path.hasPrefix("/out/") { return download(request) }
        if request.method == "PUT", request.path.hasPrefix(CWP1Request.uploadPath + "/") { return upload(request) }
        guard request.method == "POST", request.path.hasSuffix(CWP1Request.path) else {
            return .controlError(404, "no such path")
        }
        return await gateway(request)
    }

    // MARK: - The gateway

    private func gateway(_ http: SimulatorRequest) async -> SimulatorResponse {
        guard let asked = try? CWP1Request(parsing: http.body) else { return .controlError(400, "no CWP/1 envelope") }
        let now = clock.now(of: asked.marketID)
        let request: CWP1Request
        do throws(BankRefusal) {
            request = try admit(http, asked)
        } catch {
            return answer(BankAnswer(code: error.code, message: error.message), to: asked, now: now, fault: nil)
        }
        let serial: String?
        switch asked.txnCode {
        case "FILE.APPLY", "FILE.LIST": serial = request.body["type"]?.string
        case "TXN.QUERY": serial = request.body["origReqSeqNo"]?.string
        default: serial = asked.number
        }
        let amount = (request.body["amt"] ?? request.body["totalAmt"])?.string.flatMap { Fen(yuan: $0) }
        let planted = faults.take(asked.txnCode, merchant: asked.marketID, serial: serial, amount: amount)
        let hasMagic = state.withLock { $0.markets[asked.marketID]?.terms.hasMagicAmounts ?? false }
        let rule = planted ?? (hasMagic ? BankMagic.rule(asked.txnCode, amount: amount) : nil)
        if let rule, let response = unexecuted(rule, request, now: now) { return response }
        let result = await execute(request, now: now, rule: rule)
        return answer(result, to: asked, now: now, fault: rule)
    }

    /// Verifies who asks and that the question is fresh, and decrypts the personal fields.
    private func admit(_ http: SimulatorRequest, _ request: CWP1Request) throws(BankRefusal) -> CWP1Request {
        let registration = state.withLock { state in
            state.markets[request.marketID]?.partnerID == request.partnerID
                ? state.registrations[request.marketID] : nil
        }
        guard let registration else { throw BankRefusal("100003", "unknown market") }
        guard registration.addresses?.contains(http.remote) ?? true else {
            throw BankRefusal("100008", "the caller's address is not listed")
        }
        let now = realNow
        let headers: CWP1Headers
        do throws(CWP1Rejection) {
            headers = try CWP1Headers(reading: http.header)
            try registration.verifier.verify(
                headers,
                of: .request(
                    path: http.path, partnerID: request.partnerID, txnCode: request.txnCode, number: request.number),
                body: http.body, at: now)
        } catch {
            throw BankRefusal(error == .staleTime ? "100004" : "100002", error.rawValue)
        }
        guard state.withLock({ $0.nonces.admit(headers.nonce, at: now) }) else {
            throw BankRefusal("100005", "nonce seen before")
        }
        guard request.number.utf8.count <= 64 else { throw BankRefusal("100001", "reqSeqNo is too long") }
        guard let wrapped = headers.encryptionKey else { return request }
        // The header does not say which of the bank's keys it is for: two are valid while one replaces the other.
        let keys = state.withLock { $0.keys.all(registration.algorithm) }
        for key in keys {
            guard let session = try? CWP1SessionKey(wrapped: wrapped, privateKeyPEM: key.pair.privatePEM),
                let body = try? BankSimulator.opened(request.body, session)
            else { continue }
            var opened = request
            opened.body = body
            return opened
        }
        throw BankRefusal("100007", "a field does not decrypt")
    }

    /// A body with its encrypted fields in clear.
    private static func opened(_ value: JSON, _ key: CWP1SessionKey) throws -> JSON {
        switch value {
        case .string(let text) where CWP1SessionKey.isSealed(text): .string(try key.open(text))
        case .array(let elements): .array(try elements.map { try opened($0, key) })
        case .object(let members): .object(try members.map { .init($0.name, try opened($0.value, key)) })
        default: value
        }
    }

    /// Faults in which nothing is executed.
    private func unexecuted(_ rule: FaultRule, _ request: CWP1Request, now: Instant) -> SimulatorResponse? {
        switch rule.fault {
        case "no_answer": return .drop
        case "silence": return .silence(.seconds(rule.parameters["seconds"]?.integer ?? 30))
        case "http_500": return .answer(status: 500, headers: [], body: Array("busy".utf8))
        case "rate_limited": return .answer(status: 429, headers: [], body: [])
        case "html": return .answer(status: 200, headers: [], body: Array("<html>502</html>".utf8))
        case "empty": return .answer(status: 200, headers: [], body: [])
        case "system_error":
            return answer(BankAnswer(code: "900001", message: "系统繁忙"), to: request, now: now, fault: nil)
        case "reject":
            let code = rule.parameters["ret_code"]?.string ?? "100301"
            return answer(BankAnswer(code: code, message: "refused on demand"), to: request, now: now, fault: nil)
        case "not_found":
            let body = BankMarket.notFound(safeAfter: now + BankMarket.safeAfter)
            return answer(BankAnswer(body: body), to: request, now: now, fault: nil)
        case "processing" where request.txnCode == "TXN.QUERY":
            let body: JSON = ["status": "PROCESSING", "finishBy": .string((now + .seconds(1800)).shanghaiCompact)]
            return answer(BankAnswer(body: body), to: request, now: now, fault: nil)
        case "execute_late":
            let at = now + .seconds(rule.parameters["seconds"]?.integer ?? 600)
            clock.schedule(request.marketID, at: at) { [unowned self] at in
                _ = await execute(request, now: at, rule: nil)
            }
            return .drop
        case "no_file":
            return answer(BankAnswer(body: ["status": "EMPTY", "files": []]), to: request, now: now, fault: nil)
        case "generating":
            return answer(BankAnswer(body: ["status": "GENERATING"]), to: request, now: now, fault: nil)
        default: return nil
        }
    }

    private func execute(_ request: CWP1Request, now: Instant, rule: FaultRule?) async -> BankAnswer {
        let failure: BankRefusal? =
            rule?.fault == "business_failed"
            ? BankRefusal(rule?.parameters["ret_code"]?.string ?? "300001", "failed on demand") : nil
        let (result, effects) = state.withLock { state -> (BankAnswer, [BankEffect]) in
            guard var market = state.markets.removeValue(forKey: request.marketID) else {
                return (BankAnswer(code: "100003"), [])
            }
            market.wish = rule
            let result = market.execute(request, now: now, failing: failure)
            market.wish = nil
            let effects = market.takeEffects()
            state.markets[request.marketID] = market
            return (result, effects)
        }
        if rule?.fault == "notify_first" {
            await carryFirst(out: effects, of: request.marketID, now: now)
        } else {
            carry(out: effects, of: request.marketID, now: now)
        }
        return result
    }

    /// Puts an answer into a signed envelope, and spoils it where a fault says so.
    private func answer(
        _ answer: BankAnswer, to request: CWP1Request, now: Instant, fault: FaultRule?
    ) -> SimulatorResponse {
        switch fault?.fault {
        case "execute_no_answer": return .drop
        case "execute_silence": return .silence(.seconds(fault?.parameters["seconds"]?.integer ?? 30))
        case "execute_http_500": return .answer(status: 500, headers: [], body: [])
        case "execute_html": return .answer(status: 200, headers: [], body: Array("<html>502</html>".utf8))
        case "execute_empty": return .answer(status: 200, headers: [], body: [])
        default: break
        }
        let real = realNow
        let spoiled = fault?.fault == "execute_system_error"
        let (bankDate, signer) = state.withLock { state in
            let algorithm = state.registrations[request.marketID]?.algorithm ?? .rsaSHA256
            return (state.markets[request.marketID]?.bankDate(of: now), state.keys.current(algorithm).signer)
        }
        let body = CWP1Response(
            to: request, bankNumber: answer.bankNumber, bankDate: bankDate ?? BusinessDate(of: now), at: real,
            returnCode: CWP1ReturnCode(spoiled ? "900001" : answer.code), message: spoiled ? "系统繁忙" : answer.message,
            isDuplicate: answer.isDuplicate,
            body: fault?.fault == "unknown_status" ? answer.body.withStatus("SOMETHING_NEW") : answer.body
        ).bytes
        let subject = CWP1Subject.response(
            status: 200, partnerID: request.partnerID, txnCode: request.txnCode, number: request.number)
        let signedAt = fault?.fault == "stale_time" ? real - .seconds(900) : real
        guard var headers = try? signer.headers(for: subject, body: body, at: signedAt) else {
            return .controlError(500, "the answer cannot be signed")
        }
        if fault?.fault == "bad_signature" { headers.signature = String(headers.signature.reversed()) }
        var fields: [(name: String, value: String)] = headers.fields.map { (name: $0.0, value: $0.1) }
        if fault?.fault == "no_signature" { fields = [] }
        return .answer(status: 200, headers: fields + [("content-type", "application/json; charset=utf-8")], body: body)
    }
}

extension JSON {
    /// The same with another status.
    func withStatus(_ status: String) -> JSON {
        .object((members ?? []).filter { $0.name != "status" } + [.init("status", .string(status))])
    }
}
