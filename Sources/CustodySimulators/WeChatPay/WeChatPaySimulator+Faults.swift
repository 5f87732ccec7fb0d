import CustodyDomain
import CustodyWire

extension FaultRule {
    /// How long the fault lasts, where it was said.
    var seconds: Int64? { parameters["seconds"]?.integer }
}

/// What goes wrong with calls on command: instead of them, with their answers, or long after them.
extension WeChatPaySimulator {
    /// Every call of the protocol: the name its faults are planted under, and where it is.
    public static var operations: [(name: String, method: String, path: String)] {
        WeChatPayRoute.all.map { ($0.name, $0.method, "/" + $0.template.joined(separator: "/")) }
    }

    /// The planted fault, or the one that an amount asks for by itself.
    func fault(_ operation: String, _ mchid: String, serial: String?, amount: Fen?) -> FaultRule? {
        if let rule = faults.take(operation, merchant: mchid, serial: serial, amount: amount) { return rule }
        guard merchants[mchid]?.registration.hasMagicAmounts == true else { return nil }
        return MagicAmounts.rule(operation, amount)
    }

    /// The planted or asked-for end of something that goes on by itself.
    func outcome(
        _ operation: String, _ merchant: WeChatPayMerchant, serial: String?, amount: Fen
    ) -> FaultRule? { fault(operation, merchant.mchid, serial: serial, amount: amount) }

    /// What goes wrong before anything happens.
    nonisolated func earlyAnswer(
        _ fault: FaultRule, _ route: WeChatPayRoute, _ byPublicKey: Bool
    ) -> SimulatorResponse? {
        func refused(_ failure: WeChatPayFailure) -> SimulatorResponse {
            signed(failure.status, failure.body, byPublicKey)
        }
        let code = fault.parameters["code"]?.string
        let isExecuted = fault.parameters["executed"]?.bool == true
        switch fault.fault {
        case "system_error" where !isExecuted: return refused(Self.systemError)
        case "bad_gateway" where !isExecuted: return Self.badGateway
        case "rate_limited": return refused(WeChatPayFailure(429, code ?? "FREQUENCY_LIMITED", "频率超限"))
        case "refuse":
            let status = Int(fault.parameters["status"]?.integer ?? 403)
            return refused(
                WeChatPayFailure(status, code ?? "NO_AUTH", fault.parameters["message"]?.string ?? "商户无权限"))
        case "not_found":
            let isOrder = route.name == "query" || route.name == "query_combined"
            return refused(
                WeChatPayFailure(404, isOrder ? "ORDER_NOT_EXIST" : "RESOURCE_NOT_EXISTS", "查询的资源不存在"))
        case "not_ready": return refused(WeChatPayFailure(400, "STATEMENT_CREATING", "账单生成中"))
        case "empty_day": return refused(Self.none)
        case "html" where !isExecuted: return Self.html
        case "drop": return .drop
        default: return nil
        }
    }

    private static let systemError = WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常，请稍后重试")

    private static var html: SimulatorResponse {
        .answer(status: 200, headers: [("content-type", "text/html")], body: Array("<html>upgrade</html>".utf8))
    }

    private static var badGateway: SimulatorResponse {
        .answer(status: 502, headers: [("content-type", "text/html")], body: Array("<html>502</html>".utf8))
    }

    /// What goes wrong with the answer of something that did happen.
    nonisolated func lateAnswer(
        _ fault: FaultRule?, _ answer: WeChatPayAnswer, _ byPublicKey: Bool
    ) -> SimulatorResponse {
        let (status, body) = (answer.status, answer.body)
        switch fault?.fault {
        case "no_answer": return .silence(.seconds(fault?.seconds ?? 60))
        case "drop_answer": return .drop
        case "system_error": return signed(500, Self.systemError.body, byPublicKey)
        case "bad_gateway": return Self.badGateway
        case "html": return Self.html
        case "empty_answer": return signed(200, [], byPublicKey)
        case "empty_unsigned": return .answer(status: 200, headers: [], body: [])
        case "unknown_state":
            return signed(
                status, Self.rewritten(body) { name, _ in Self.states.contains(name) ? .string("MAYBE_LATER") : nil },
                byPublicKey)
        case "other_merchant":
            return signed(
                status, Self.rewritten(body) { name, _ in Self.owners.contains(name) ? .string("1999999999") : nil },
                byPublicKey)
        case "stale": return signed(status, Self.before(body), byPublicKey)
        case "wrong_hash":
            let hash: JSON? = .string(String(repeating: "0", count: 40))
            return signed(status, Self.rewritten(body) { name, _ in name == "hash_value" ? hash : nil }, byPublicKey)
        case "unsigned":
            return .answer(status: status, headers: [("content-type", "application/json")], body: body)
        case "bad_signature": return signed(status, body, byPublicKey, .badSignature)
        case "stale_timestamp": return signed(status, body, byPublicKey, .stale)
        case "unknown_serial": return signed(status, body, byPublicKey, .unknownSerial)
        case "probe": return signed(status, body, byPublicKey, .probe)
        default: return signed(status, body, byPublicKey)
        }
    }

    private static let states: Set<String> = [
        "trade_state", "status", "result", "applyment_state", "state", "verify_result", "cancel_state",
    ]
    private static let owners: Set<String> = ["mchid", "sp_mchid", "sub_mchid", "combine_mchid", "out_refund_no"]

    /// The same answer as it was before the end: what a query may say after a callback has said more.
    private static func before(_ body: [UInt8]) -> [UInt8] {
        let json = try? JSON(parsing: body)
        let isWithdrawal = json?["withdraw_id"] != nil && json?["total_amount"] == nil
        return rewritten(body) { name, parent in
            name == "status" && isWithdrawal ? .string("CREATE_SUCCESS") : earlier(name, parent)
        }
    }

    private static func earlier(_ name: String, _ parent: String?) -> JSON? {
        switch (name, parent) {
        case ("trade_state", _): "NOTPAY"
        case ("result", "receivers"): "PENDING"
        case ("status", _), ("result", _), ("state", _): "PROCESSING"
        case ("applyment_state", _): "AUDITING"
        case ("verify_result", _): "AUDITING"
        case ("cancel_state", _): "REVIEWING"
        default: nil
        }
    }

    /// The same answer with other values in it, by the members' names and those of what they stand in.
    private static func rewritten(_ body: [UInt8], _ value: (String, String?) -> JSON?) -> [UInt8] {
        guard let json = try? JSON(parsing: body) else { return body }
        return rewritten(json, in: nil, value).bytes
    }

    private static func rewritten(_ json: JSON, in parent: String?, _ value: (String, String?) -> JSON?) -> JSON {
        switch json {
        case .object(let members):
            .object(
                members.map { member in
                    JSON.Member(
                        member.name, value(member.name, parent) ?? rewritten(member.value, in: member.name, value))
                })
        case .array(let elements): .array(elements.map { rewritten($0, in: parent, value) })
        default: json
        }
    }

    nonisolated func signed(
        _ status: Int, _ body: [UInt8], _ byPublicKey: Bool, _ flaw: WeChatPayIdentity.Flaw = .none
    ) -> SimulatorResponse {
        var headers = identity.headers(signing: body, byPublicKey: byPublicKey, flaw: flaw)
        if !body.isEmpty { headers.append(("content-type", "application/json; charset=utf-8")) }
        return .answer(status: status, headers: headers, body: body)
    }

    /// Does what was asked for, only later; nobody is told.
    func executeLate(
        _ route: WeChatPayRoute, _ parameters: [String: String], _ request: SimulatorRequest, _ mchid: String,
        after seconds: Int64
    ) {
        clock.schedule(mchid, at: clock.now(of: mchid) + .seconds(seconds)) { [self] _ in
            _ = try? await execute(route, parameters, request, mchid, nil)
        }
    }

    /// Ends at once what would end by itself, so that its callback is there before its answer.
    func endNow(_ operation: String, _ mchid: String, _ json: JSON?) async {
        let now = clock.now(of: mchid)
        func key(_ name: String) -> String {
            WeChatPayMerchant.key(json?["sub_mchid"]?.string, json?[name]?.string ?? "")
        }
        switch operation {
        case "refund": await finishRefund(mchid, key("out_refund_no"), now)
        case "split": await executeSplit(mchid, key("out_order_no"), now)
        case "withdraw":
            let owner = json?["sub_mchid"]?.string ?? mchid
            await finishWithdrawal(
                mchid, WeChatPayMerchant.key(owner, json?["out_request_no"]?.string ?? ""), now)
        case "day_end_withdraw": await finishDayEndWithdrawal(mchid, key("out_request_no"), now)
        default: return
        }
    }
}
