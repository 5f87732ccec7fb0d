import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Plays the money day of one platform, from opening its shops to a withdrawal that comes back, over the real interfaces.
struct DemoDay: Sendable {
    /// What it came to.
    struct Result: Sendable {
        var payments = 0
        var withdrawals = 0
        var planted = 0
        var found = 0
        var returned = 0
    }

    let platform: DemoPlatform
    let world: DemoWorld
    let shops: Int
    let orders: Int
    /// Says what was done, as it is done.
    let say: @Sendable (String) -> Void

    /// The first day of business: tomorrow, at eight in the morning in Shanghai.
    let firstDay: BusinessDate

    func play() async throws -> Result {
        var result = Result()
        try await setClock(firstDay.start + .seconds(8 * 3600))
        try await world.http.call(
            .POST, "\(world.bank)/control/deposits", ["market_id": .string(platform.market), "amount_fen": 1_000_000]
        )
        let subMerchants = try await openShops()
        say("\(subMerchants.count) sub-merchants opened, reviewed, and their settlement accounts bound and verified")

        let placed = try await placeOrders(subMerchants)
        say("\(placed.count) orders synced")
        try await pay(placed)
        result.payments = placed.count
        say("\(placed.count) orders paid through WeChat Pay and Alipay")
        try await refundOne(placed)
        try await confirmSplits(placed)
        say("one refund before its split; all splits confirmed")

        result.planted = try await plant(placed)
        try await plantReturn(of: subMerchants[0])
        try await throughTheNight(to: firstDay.advanced(by: 1))
        let found = try await discrepancies()
        result.found = found.count
        say(
            "T+1: statements and bank files matched, \(found.count) discrepancies: \(found.compactMap { $0["kind"]?.string }.sorted())"
        )

        result.withdrawals = try await paidOut()
        say("\(result.withdrawals) withdrawals paid out")
        try await throughTheNight(to: firstDay.advanced(by: 2))
        try await until("the late receipt clears itself", within: .seconds(30)) {
            try await discrepancies().contains { $0["kind"]?.string == "shortage" && $0["state"]?.string == "resolved" }
        }
        say("T+2: what the channel reported late cleared itself")
        try await throughTheNight(to: firstDay.advanced(by: 3))
        // Two days to the minute after the bank had paid it out.
        try await setClock(firstDay.advanced(by: 3).start + .seconds(15 * 3600))
        try await until("a withdrawal comes back", within: .seconds(30)) { try await !withdrawals("returned").isEmpty }
        result.returned = 1
        say("a withdrawal came back two days later (退票), and is available again")
        try await quiet()
        result.withdrawals = try await withdrawals(nil).count
        return result
    }

    // MARK: Clocks

    /// Sets all clocks forward, the counterparties' first: the platform is the last to know what time it is.
    func setClock(_ instant: Instant) async throws {
        let counterparties = [
            (world.alipay, platform.appID), (world.weChat, platform.mchid), (world.bank, platform.market),
        ]
        for (address, merchant) in counterparties {
            try await world.http.call(
                .PUT, "\(address)/control/clock", ["merchant": .string(merchant), "now": .string(instant.rfc3339)]
            )
        }
        try await api(.POST, "/test-clock", ["now": .string(instant.rfc3339)])
    }

    /// Lets the hours pass until a day's statements are in and matched: lumps at two, bills from nine, files from half past ten.
    private func throughTheNight(to day: BusinessDate) async throws {
        for minutes in [121, 546, 606, 636, 660, 840] {
            let next = day.start + .seconds(minutes * 60)
            if try await clock() < next { try await setClock(next) }
            try await quiet()
        }
        let yesterday = day.advanced(by: -1).iso
        try await until("both channels' days are matched") {
            let done = try await world.http.list("\(world.api)/v1/reconciliations?date=\(yesterday)", key: platform.key)
            return done.filter { $0["state"]?.string == "done" }.count == 2
        }
    }

    // MARK: Sub-merchants

    private func openShops() async throws -> [String] {
        let ids = SafeList<String>()
        try await concurrently(Array(1...shops)) { number in
            let answer = try await api(
                .POST, "/sub-merchants",
                [
                    "out_sub_merchant_no": .string("shop-\(number)"), "kind": "company",
                    "display_name": .string("示例商户\(number)"),
                    "name": .string("示例商户\(number)有限公司"),
                    "certificate_number": .string("91310000MA1K0000\(padded(number))"),
                    "legal_person": ["name": "张三", "id_number": .string("31010119900101\(padded(number))")],
                    "contact": ["name": "李四", "mobile": .string("1380000\(padded(number))")],
                ]
            )
            if let id = answer["id"]?.string { ids.append(id) }
        }
        try await until("all sub-merchants are active") {
            try await setClock(try await clock() + .seconds(180))
            let active = try await world.http.list("\(world.api)/v1/sub-merchants?state=active", key: platform.key)
            return active.count == shops
        }
        let sorted = ids.values.sorted()
        try await concurrently(sorted) { try await bindAccount(of: $0) }
        return sorted
    }

    private func bindAccount(of id: String) async throws {
        try await api(
            .POST, "/sub-merchants/\(id)/settlement-account",
            [
                "account_number": .string("62170000\(Int.random(in: 10_000_000...99_999_999))"),
                "account_name": "示例商户有限公司",
                "mobile": "13800000000", "bank_name": "示例银行", "is_corporate": true, "verification": "small_amount",
            ]
        )
        var account = JSON.null
        try await until("the bank sends a small amount") {
            account = try await api(.GET, "/sub-merchants/\(id)/settlement-account")
            return account["state"]?.string == "to_verify"
        }
        // The holder reads the amount off its own bank statement.
        let card = try await world.http.call(
            .GET, "\(world.bank)/control/cards/\(account["binding_number"]?.string ?? "")"
        )
        try await api(
            .POST, "/sub-merchants/\(id)/verification",
            ["amount": card["amount_fen"] ?? .null, "instruction_number": card["instruction_no"] ?? .null]
        )
        try await until("the account is bound") {
            try await api(.GET, "/sub-merchants/\(id)/settlement-account")["state"]?.string == "bound"
        }
    }

    // MARK: Calls

    @discardableResult
    func api(
        _ method: HTTPVerb, _ path: String, _ body: JSON? = nil, headers: [String: String] = [:]
    ) async throws -> JSON {
        try await world.http.call(method, "\(world.api)/v1\(path)", key: platform.key, headers: headers, body)
    }

    /// Waits until the platform has nothing to do now or within the next seconds.
    func quiet() async throws {
        guard let id = ID<Tenant>(platform.tenant) else { throw DemoFailure(description: "the platform has no id") }
        var calm = 0
        try await until("the queues are empty", within: .seconds(90)) {
            let busy = try await world.store.withTenant(id) { try await $0.jobsDue(within: .seconds(3)) }
            calm = busy == 0 ? calm + 1 : 0
            return calm > 2
        }
    }
}

/// Four digits.
func padded(_ number: Int) -> String { String(repeating: "0", count: 4 - String(number).count) + String(number) }
