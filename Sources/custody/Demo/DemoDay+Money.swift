import CustodyDomain
import CustodyWire
import Foundation
import Synchronization

/// An order of the demo, and where its payment is.
struct DemoOrder: Sendable {
    let number: Int
    let id: String
    let amount: Int64
    let channel: String
    let isImmediate: Bool
}

/// A list that several tasks add to.
final class SafeList<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var values: [Element] { elements.withLock(\.self) }

    func append(_ element: Element) { elements.withLock { $0.append(element) } }
}

extension DemoDay {
    // MARK: Orders and payments

    func placeOrders(_ shops: [String]) async throws -> [DemoOrder] {
        let placed = SafeList<DemoOrder>()
        try await concurrently(Array(0..<orders)) { number in
            let amount = Int64(1000 + number * 37 % 20_000)
            // Every tenth order has several payees; all pay the platform's commission of five per cent.
            let payees = number % 10 == 0 ? 3 : 1
            let share = Int64(9500 / payees)
            var parts: [JSON] = (0..<payees).map {
                ["payee": .string(shops[(number + $0) % shops.count]), "share_bp": JSON(share)]
            }
            parts.append(["payee": "platform", "share_bp": JSON(10_000 - share * Int64(payees))])
            let answer = try await api(
                .POST, "/orders",
                [
                    "out_order_no": .string("T\(number)"), "amount": JSON(amount),
                    "description": .string("示例订单 \(number)"),
                    "payer": .string("buyer-\(number % 97)"),
                    "split_mode": number % 2 == 0 ? "immediate" : "on_confirmation",
                    "parts": .array(parts),
                ],
                headers: ["Idempotency-Key": "order-\(number)"]
            )
            placed.append(
                DemoOrder(
                    number: number, id: answer["id"]?.string ?? "", amount: amount,
                    channel: number % 3 == 0 ? "alipay" : "wechat_pay", isImmediate: number % 2 == 0
                )
            )
        }
        return placed.values.sorted { $0.number < $1.number }
    }

    func pay(_ placed: [DemoOrder]) async throws {
        try await concurrently(placed) { order in
            let isAlipay = order.channel == "alipay"
            let payment = try await api(
                .POST, "/orders/\(order.id)/payments",
                ["channel": .string(order.channel), "method": isAlipay ? "precreate" : "native"],
                headers: ["Prefer": "wait=10"]
            )
            guard let serial = payment["serial"]?.string, payment["prompt"]?["code_url"] != nil else {
                throw DemoFailure(description: "order \(order.number) got no code to scan: \(payment.text)")
            }
            // The buyer scans the code and pays.
            let merchant = isAlipay ? ("app_id", platform.appID) : ("mchid", platform.mchid)
            try await world.http.call(
                .POST, "\(isAlipay ? world.alipay : world.weChat)/control/pay",
                .object([.init(merchant.0, .string(merchant.1)), .init("out_trade_no", .string(serial))])
            )
        }
        try await until("all payments succeeded", within: .seconds(60), every: .milliseconds(400)) {
            try await world.http.list("\(world.api)/v1/payments?state=succeeded", key: platform.key).count
                == placed.count
        }
        try await quiet()
    }

    func refundOne(_ placed: [DemoOrder]) async throws {
        guard let order = placed.first(where: { !$0.isImmediate }) else { return }
        let payments = try await api(.GET, "/orders/\(order.id)/payments")["data"]?.array ?? []
        guard let payment = payments.first?["id"]?.string else { throw DemoFailure(description: "there is no payment") }
        let refund = try await api(
            .POST, "/payments/\(payment)/refunds",
            ["out_refund_no": "R1", "amount": JSON(order.amount / 2), "reason": "示例退款"]
        )
        try await setClock(try await clock() + .seconds(60))
        try await until("the refund succeeds") {
            try await api(.GET, "/refunds/\(refund["id"]?.string ?? "")")["state"]?.string == "succeeded"
        }
    }

    func confirmSplits(_ placed: [DemoOrder]) async throws {
        try await concurrently(placed.filter { !$0.isImmediate }) { order in
            try await api(.POST, "/orders/\(order.id)/splits", ["out_split_no": .string("S\(order.number)")])
        }
        try await quiet()
        let open = try await world.http.list("\(world.api)/v1/orders?state=paid", key: platform.key)
            .filter { $0["split_state"]?.string != "finished" }
        guard open.isEmpty else { throw DemoFailure(description: "\(open.count) orders are not split") }
    }

    // MARK: The days after

    /// Plants what does not match: a receipt nobody knows, one that is reported a day late, a wrong fee.
    func plant(_ placed: [DemoOrder]) async throws -> Int {
        let payments = try await world.http.list("\(world.api)/v1/payments?state=succeeded", key: platform.key)
        func serial(_ channel: String, _ skip: Int) throws -> JSON {
            let list = payments.filter { $0["channel"]?.string == channel && $0["refunded"]?.integer == 0 }
            guard list.count > skip, let serial = list[skip]["serial"] else {
                throw DemoFailure(description: "no payment to plant on")
            }
            return serial
        }
        let weChat: JSON = .string(platform.mchid)
        let plants: [(String, JSON)] = [
            (world.weChat, ["merchant": weChat, "kind": "surplus", "amount_fen": 4321]),
            (
                world.alipay,
                ["merchant": .string(platform.appID), "kind": "late", "out_trade_no": try serial("alipay", 3)]
            ),
            (
                world.weChat,
                ["merchant": weChat, "kind": "fee", "out_trade_no": try serial("wechat_pay", 5), "fee_fen": 999]
            ),
        ]
        for (address, plant) in plants { try await world.http.call(.POST, "\(address)/control/plant", plant) }
        return plants.count
    }

    func discrepancies() async throws -> [JSON] {
        try await world.http.list("\(world.api)/v1/discrepancies", key: platform.key)
    }

    func withdrawals(_ state: String?) async throws -> [JSON] {
        try await world.http.list(
            "\(world.api)/v1/withdrawals" + (state.map { "?state=\($0)" } ?? ""), key: platform.key
        )
    }

    /// Has the receiving bank send the shop's next withdrawal back, two days after it was paid out.
    func plantReturn(of shop: String) async throws {
        let account = try await api(.GET, "/sub-merchants/\(shop)")["sub_account"] ?? .null
        try await world.http.call(
            .POST, "\(world.bank)/control/returns",
            ["market_id": .string(platform.market), "sub_acct": account, "after_days": 2]
        )
    }

    /// Waits until the day's withdrawals are paid out, and counts them.
    func paidOut() async throws -> Int {
        try await setClock(try await clock() + .seconds(1200))
        try await quiet()
        let all = try await withdrawals(nil)
        guard !all.isEmpty else { throw DemoFailure(description: "nothing was paid out") }
        let open = all.filter { $0["state"]?.string != "succeeded" }
        guard open.isEmpty else {
            throw DemoFailure(description: "\(open.count) withdrawals are \(open[0]["state"]?.string ?? "")")
        }
        return all.count
    }

    func clock() async throws -> Instant {
        guard let text = try await api(.GET, "/test-clock")["now"]?.string, let now = Instant(text: text) else {
            throw DemoFailure(description: "the test clock shows no time")
        }
        return now
    }
}
