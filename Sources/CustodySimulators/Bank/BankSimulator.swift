import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Foundation
import ServiceLifecycle
import Synchronization

/// A bank that speaks CWP/1: markets, sub-accounts, a double-entry book, daily files, notifications, and faults on demand.
///
/// Faults by operation (`POST /control/faults`; `match.merchant` is the market):
/// - any txnCode, not executed: `no_answer`, `silence` (`seconds`), `http_500`, `rate_limited`, `html`, `empty`,
///   `system_error`, `reject` (`ret_code`);
/// - any txnCode, executed: `execute_no_answer`, `execute_silence` (`seconds`), `execute_http_500`,
///   `execute_system_error`, `bad_signature`, `no_signature`, `stale_time`; `business_failed` (`ret_code`) is recorded;
/// - `WDR.CREATE`: `failed` (ends FAILED), `processing` (never ends);
/// - `TXN.QUERY` (`match.serial` is the instruction's number): `not_found`, `processing`;
/// - `FILE.APPLY`, `FILE.GET`, `FILE.OK` (`match.serial` is the type, such as `PAY`): `generating`; `missing`,
///   `truncated`, `wrong_digest`, `html`;
/// - `WDR.NOTIFY` and the like: `drop`, `duplicate` (`copies`), `late` (`seconds`), `out_of_order`, `bad_signature`,
///   `stale_time`.
public final class BankSimulator: Service {
    /// A market and who may speak for it.
    struct Registration: Sendable {
        let verifier: CWP1Verifier
        let notifyURL: String?
    }

    struct State: Sendable {
        var markets: [String: BankMarket] = [:]
        var registrations: [String: Registration] = [:]
        var nonces = CWP1NonceMemory()
        /// Notifications held back until the next one of their market.
        var held: [String: [BankNotification]] = [:]
        var notifyCounter = 0
    }

    /// The serial number of the bank's key.
    public static let serial = "BANK0001"

    let keys: CWP1KeyPair
    let signer: CWP1Signer
    let clock: SimulatorClock
    let faults: FaultRules
    let client: HTTPClient
    let state = Mutex(State())
    private let host: String
    private let port: Int
    private let server = Mutex<SimulatorServer?>(nil)

    /// Makes a bank that does not listen yet.
    ///
    /// - Parameters:
    ///   - host: The address to bind.
    ///   - port: The port to bind; 0 lets the system choose, see ``boundPort()``.
    ///   - client: Carries notifications; owned and shut down by the caller.
    public init(host: String = "127.0.0.1", port: Int = 0, client: HTTPClient) throws {
        self.host = host
        self.port = port
        self.client = client
        keys = try CWP1KeyPair()
        signer = try CWP1Signer(serial: BankSimulator.serial, privateKeyPEM: keys.privatePEM)
        clock = SimulatorClock()
        faults = FaultRules()
        server.withLock { server in
            server = SimulatorServer(host: host, port: port) { [unowned self] in await self.respond(to: $0) }
        }
    }

    /// The port in use; waits until the bank listens.
    public func boundPort() async throws -> Int {
        guard let server = server.withLock({ $0 }) else { throw SimulatorServer.NotListening() }
        return try await server.boundPort()
    }

    /// Listens, and lets time pass, until the task is cancelled or its service group shuts down.
    public func run() async throws {
        guard let server = server.withLock({ $0 }) else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.clock.run() }
            defer { group.cancelAll() }
            try await server.run()
        }
    }

    private func respond(to request: SimulatorRequest) async -> SimulatorResponse {
        if request.path.hasPrefix("/control/") { return await control(request) }
        if request.method == "GET", request.path.hasPrefix("/out/") { return download(request) }
        guard request.method == "POST", request.path.hasSuffix(CWP1Request.path) else {
            return .controlError(404, "no such path")
        }
        return gateway(request)
    }

    // MARK: - The gateway

    private func gateway(_ http: SimulatorRequest) -> SimulatorResponse {
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
        case "FILE.APPLY": serial = request.body["type"]?.string
        case "TXN.QUERY": serial = request.body["origReqSeqNo"]?.string
        default: serial = asked.number
        }
        let rule = faults.take(
            asked.txnCode, merchant: asked.marketID, serial: serial,
            amount: (request.body["amt"] ?? request.body["totalAmt"])?.string.flatMap { Fen(yuan: $0) })
        if let rule, let response = unexecuted(rule, asked, now: now) { return response }
        let result = execute(request, now: now, rule: rule)
        return answer(result, to: asked, now: now, fault: rule)
    }

    /// Verifies who asks and that the question is fresh, and decrypts the personal fields.
    private func admit(_ http: SimulatorRequest, _ request: CWP1Request) throws(BankRefusal) -> CWP1Request {
        let registration = state.withLock { state in
            state.markets[request.marketID]?.partnerID == request.partnerID
                ? state.registrations[request.marketID] : nil
        }
        guard let registration else { throw BankRefusal("100003", "unknown market") }
        let now = SimulatorClock.realNow()
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
        do {
            let key = try CWP1SessionKey(wrapped: wrapped, privateKeyPEM: keys.privatePEM)
            var opened = request
            opened.body = try BankSimulator.opened(request.body, key)
            return opened
        } catch {
            throw BankRefusal("100007", "a field does not decrypt")
        }
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
        case "generating":
            return answer(BankAnswer(body: ["status": "GENERATING"]), to: request, now: now, fault: nil)
        default: return nil
        }
    }

    private func execute(_ request: CWP1Request, now: Instant, rule: FaultRule?) -> BankAnswer {
        let failure: BankRefusal? =
            rule?.fault == "business_failed"
            ? BankRefusal(rule?.parameters["ret_code"]?.string ?? "300001", "failed on demand") : nil
        let (result, effects) = state.withLock { state -> (BankAnswer, [BankEffect]) in
            let result = state.markets[request.marketID]?.execute(request, now: now, failing: failure)
            if let number = request.body["wdrNo"]?.string {
                if rule?.fault == "failed" {
                    state.markets[request.marketID]?.withdrawals[number]?.willFail = true
                }
            }
            return (result ?? BankAnswer(code: "100003"), state.markets[request.marketID]?.takeEffects() ?? [])
        }
        // An instruction that stays in process for ever has no event that would finish it.
        carry(
            out: rule?.fault == "processing"
                ? effects.filter {
                    if case .schedule(.finishWithdrawal, _) = $0 { false } else { true }
                } : effects,
            of: request.marketID, now: now)
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
        default: break
        }
        let real = SimulatorClock.realNow()
        let spoiled = fault?.fault == "execute_system_error"
        let body = CWP1Response(
            to: request, bankNumber: answer.bankNumber, bankDate: BusinessDate(of: now), at: real,
            returnCode: CWP1ReturnCode(spoiled ? "900001" : answer.code), message: spoiled ? "系统繁忙" : answer.message,
            isDuplicate: answer.isDuplicate, body: answer.body
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

    // MARK: - Files

    private func download(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
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
        case "html": return .answer(status: 200, headers: [], body: Array("<html></html>".utf8))
        default: return .answer(status: 200, headers: [], body: isOK ? ok : bytes)
        }
    }

    private static func spoiled(_ ok: [UInt8]) -> [UInt8] {
        guard let members = (try? JSON(parsing: ok))?.members else { return [] }
        return JSON.object(members.map { $0.name == "sha256" ? .init("sha256", "00") : $0 }).bytes
    }
}
