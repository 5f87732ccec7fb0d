import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import NIOCore
import NIOHTTP1
import Synchronization

/// CCB 惠市宝: collects, refunds, confirms and splits for the merchants it signed itself.
///
/// Faults by function, such as `refundOrder` (`POST /control/faults`; `match.merchant` is the market, `match.serial` the
/// order's or refund's number):
/// - not executed: `no_answer`, `silence` (`seconds`), `http_500`, `rate_limited`, `html`, `empty`, `refuse` (`code`);
/// - executed: `execute_no_answer`, `execute_silence` (`seconds`), `execute_http_500`, `bad_signature`, `no_signature`,
///   `unknown_state`;
/// - `refundOrder`: `delayed`, `uncertain`, `to_confirm` (each ends well after `seconds`), `failed`, `processing` (never ends);
/// - `enquireRefundOrder`: `not_found`;
/// - `file` (`match.serial` is `chk`, `det` or `sum`): `missing`, `truncated`, `html`, `missing_row`, `doubled_row`,
///   `wrong_amount`;
/// - `notify_payment`, `notify_refund`, `notify_merchant`: `drop`, `duplicate` (`copies`), `late` (`seconds`),
///   `bad_signature`.
public final class CCBSimulator: Simulator {
    struct Registration: Sendable {
        let seal: CCBSeal
        let notifyURL: String?
    }

    struct State: Sendable {
        var markets: [String: CCBMarket] = [:]
        var registrations: [String: Registration] = [:]
        var counter = 0
    }

    let client: HTTPClient
    let keys: [CWP1Algorithm: CWP1KeyPair]
    let state = Mutex(State())
    private let frame: SimulatorFrame

    var clock: SimulatorClock { frame.clock }
    var faults: FaultRules { frame.faults }

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
        keys = [.rsaSHA256: try CWP1KeyPair(.rsaSHA256), .sm2SM3: try CWP1KeyPair(.sm2SM3)]
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
        if request.method == "GET", request.path.hasPrefix("/files/") { return download(request) }
        guard request.method == "POST", let function = request.path.split(separator: "/").last.map(String.init),
            request.path == CCBMessage.path + function
        else { return .controlError(404, "no such path") }
        guard let message = request.json, let marketID = message["Mkt_Id"]?.string,
            let registration = state.withLock({ $0.registrations[marketID] })
        else { return .controlError(400, "no message of a known market") }
        do { try registration.seal.verify(message, .exchange) } catch {
            return answer(.refused("SIGN_ERROR", "验签失败"), to: registration, fault: nil)
        }
        let number = (message["Cust_Rfnd_Trcno"] ?? message["Main_Ordr_No"])?.string
        let amount = (message["Rfnd_Amt"] ?? message["Txn_Tamt"])?.string.flatMap { Fen(yuan: $0) }
        let rule =
            faults.take(function, merchant: marketID, serial: number, amount: amount)
            ?? BankMagic.rule(function, amount: amount)
        switch rule?.fault {
        case "no_answer": return .drop
        case "silence": return .silence(.seconds(rule?.parameters["seconds"]?.integer ?? 30))
        case "empty": return .answer(status: 200, headers: [], body: [])
        case "http_500": return .answer(status: 500, headers: [], body: [])
        case "rate_limited": return .answer(status: 429, headers: [], body: [])
        case "html": return .answer(status: 200, headers: [], body: Array("<html></html>".utf8))
        case "refuse", "reject":
            return answer(
                .refused((rule?.parameters["code"] ?? rule?.parameters["ret_code"])?.string ?? "BUSY", "系统繁忙"),
                to: registration, fault: nil)
        default: break
        }
        let now = clock.now(of: marketID)
        let (result, effects) = state.withLock { state -> (CCBAnswer, [CCBEffect]) in
            let result = state.markets[marketID]?.execute(function, message, now: now, fault: rule)
            return (result ?? .refused("NO_MARKET", ""), state.markets[marketID]?.takeEffects() ?? [])
        }
        carry(out: effects, of: marketID)
        switch rule?.fault {
        case "execute_no_answer": return .drop
        case "execute_silence": return .silence(.seconds(rule?.parameters["seconds"]?.integer ?? 30))
        case "execute_http_500": return .answer(status: 500, headers: [], body: [])
        default: return answer(result, to: registration, fault: rule?.fault)
        }
    }

    private func answer(_ answer: CCBAnswer, to registration: Registration, fault: String?) -> SimulatorResponse {
        var body = fault == "unknown_state" ? CCBSimulator.unknown(answer.body) : answer.body
        if fault != "no_signature" {
            guard let signed = try? registration.seal.signed(body, .exchange) else {
                return .controlError(500, "the answer cannot be signed")
            }
            body = signed
        }
        if fault == "bad_signature" { body = CCBSimulator.spoiled(body) }
        return .json(body)
    }

    /// An answer with a state that nobody was told of.
    private static func unknown(_ message: JSON) -> JSON {
        .object(
            (message.members ?? []).map { member in
                ["Refund_Rsp_St", "Ordr_Stcd"].contains(member.name) ? .init(member.name, "77") : member
            })
    }

    private static func spoiled(_ message: JSON) -> JSON {
        .object(
            (message.members ?? []).map { member in
                member.name == "Sign_Inf"
                    ? .init("Sign_Inf", .string(String((member.value.string ?? "").reversed()))) : member
            })
    }

    // MARK: - Notifications

    /// Carries out what a market wants done outside.
    func carry(out effects: [CCBEffect], of marketID: String) {
        for effect in effects {
            switch effect {
            case .finishRefund(let number, let at):
                schedule(marketID, at: at) { market, at in market.finishRefund(number, now: at) }
            case .confirm(let number, let at):
                schedule(marketID, at: at) { market, at in market.confirmByItself(number, now: at) }
            case .notify(let kind, let body):
                let rule = faults.take("notify_" + kind, merchant: marketID)
                guard rule?.fault != "drop" else { continue }
                let copies = rule?.fault == "duplicate" ? Int(clamping: rule?.parameters["copies"]?.integer ?? 2) : 1
                let delay = rule?.fault == "late" ? rule?.parameters["seconds"]?.integer ?? 600 : 0
                for _ in 0..<copies {
                    schedule(
                        body, marketID, attempt: 1, fault: rule?.fault,
                        at: clock.now(of: marketID) + .seconds(delay))
                }
            }
        }
    }

    /// Lets something happen in a market at a time, and carries out what comes of it.
    private func schedule(
        _ marketID: String, at: Instant, _ happen: @escaping @Sendable (inout CCBMarket, Instant) -> Void
    ) {
        clock.schedule(marketID, at: at) { [unowned self] at in
            let effects = state.withLock { state -> [CCBEffect] in
                guard var market = state.markets.removeValue(forKey: marketID) else { return [] }
                defer { state.markets[marketID] = market }
                happen(&market, at)
                return market.takeEffects()
            }
            carry(out: effects, of: marketID)
        }
    }

    private func schedule(_ body: JSON, _ marketID: String, attempt: Int, fault: String?, at: Instant) {
        clock.schedule(marketID, at: at) { [unowned self] at in
            guard await !send(body, marketID, fault: fault), attempt < 6 else { return }
            schedule(body, marketID, attempt: attempt + 1, fault: nil, at: at + .seconds(300))
        }
    }

    private func send(_ body: JSON, _ marketID: String, fault: String?) async -> Bool {
        guard let registration = state.withLock({ $0.registrations[marketID] }), let url = registration.notifyURL,
            let signed = try? registration.seal.signed(body, .notification)
        else { return true }
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json; charset=utf-8")
        request.body = .bytes(
            ByteBuffer(bytes: (fault == "bad_signature" ? CCBSimulator.spoiled(signed) : signed).bytes))
        do {
            let response = try await client.execute(request, timeout: .seconds(5))
            let bytes = try await response.body.collect(upTo: 1 << 20)
            return try JSON(parsing: Array(bytes.readableBytesView))["Svc_Rsp_St"]?.string == "00"
        } catch {
            return false
        }
    }
}
