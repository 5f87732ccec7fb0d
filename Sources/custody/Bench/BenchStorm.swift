import ArgumentParser
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Postgres

/// A storm of callbacks: everything is told several times, in no order, while the worker books; each payment must be booked
/// once.
struct BenchStorm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "POST /callbacks/wechat_pay, each event 1 to 5 times in random order; each payment is booked once.",
        discussion: """
            Every delivery is encrypted and signed anew; one of ten repeats bears a number of its own, as when a channel tells \
            the same fact again. Needs a superuser's --database-url of a database that may be filled.
            """
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "Deliveries.") var callbacks = 100_000
    @Option(help: "Connections that they come over.") var connections = 4
    @Option(help: "Platforms that they are for.") var platforms = 4
    @Flag(help: "Answer in JSON, one object.") var json = false

    /// A payment that buyers have paid, and its platform's place in the list.
    private struct Paid: Sendable {
        let platform: Int
        let serial: String
        let amount: Fen
    }

    /// A callback on its way: which payment it is about, and under which number.
    private struct Delivery: Sendable {
        let payment: Int
        let id: String
    }

    func run() async throws {
        let deployment = try await BenchDeployment(database: database, migrations: migrations, working: [.callbacks])
        do {
            try await measure(deployment)
        } catch {
            await deployment.stop()
            throw error
        }
        await deployment.stop()
    }

    private func measure(_ deployment: BenchDeployment) async throws {
        var senders: [CallbackSender] = []
        for number in 1...max(1, platforms) {
            senders.append(try await CallbackSender(linking: number, in: deployment.store))
        }
        let deliveries = plan()
        let events = (deliveries.map(\.payment).max() ?? -1) + 1
        let payments = try await pay(events, senders, deployment.store)
        try await deployment.settle()
        let now = WallClock.now()
        let letters = try inParallel(deliveries.count) { [senders] index in
            let (delivery, payment) = (deliveries[index], payments[deliveries[index].payment])
            return try senders[payment.platform].request(
                id: delivery.id, serial: payment.serial, amount: payment.amount, at: now)
        }
        let began = ContinuousClock.now
        let outcome = HTTPLoad.deliver(letters, to: deployment.port, accepted: 204, over: connections)
        guard outcome.accepted == deliveries.count else {
            throw DemoFailure(description: "\(outcome.refused) callbacks were refused: \(outcome.strangest ?? 0)")
        }
        let facts = Set(deliveries.map(\.id)).count
        try await until("all callbacks are processed", within: .seconds(600), every: .milliseconds(200)) {
            let found = try await counted(deployment)
            return found["callbacks"] == facts && found["waiting"] == 0
        }
        let booked = seconds(since: began)
        var expected: [String: Int] = [:]
        for name in ["paid", "orders", "booked_results", "entries", "subjects", "events", "receipts"] {
            expected[name] = events
        }
        expected["callbacks"] = facts
        expected["known_results"] = facts - events
        let total = payments.map(\.amount).sum()
        expected["held_fen"] = Int(total.value)
        expected["taken_fen"] = -Int(total.value)
        for name in ["waiting", "dead", "sum_fen"] { expected[name] = 0 }
        let found = try await counted(deployment)
        var checks = expected.keys.sorted().map { ($0, found[$0] == expected[$0]) }
        checks.append(("all_acknowledged", outcome.refused == 0))
        checks.append(("books_proven", senders.allSatisfy { proves($0.tenant, deployment) }))
        let answer: JSON = [
            "name": "storm", "deliveries": JSON(outcome.accepted), "payments": JSON(events),
            "ours": .number(rounded(Double(outcome.accepted) / outcome.seconds, 0)), "unit": "callbacks/s",
            "booked_after_s": .number(rounded(booked)),
            "booked_per_s": .number(rounded(Double(events) / booked, 0)),
            "found": .object(found.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }),
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// Who is told what, in random order: every payment 1 to 5 times.
    private func plan() -> [Delivery] {
        var deliveries: [Delivery] = []
        var payment = 0
        while deliveries.count < callbacks {
            for time in 0..<min(Int.random(in: 1...5), callbacks - deliveries.count) {
                let isNew = time > 0 && Int.random(in: 0..<10) == 0
                deliveries.append(Delivery(payment: payment, id: isNew ? "EV-\(payment)-\(time)" : "EV-\(payment)"))
            }
            payment += 1
        }
        return deliveries.shuffled()
    }

    /// Makes orders and their payments, as the API's verbs do, up to where a buyer pays.
    private func pay(_ count: Int, _ senders: [CallbackSender], _ store: Store) async throws -> [Paid] {
        let made = try await withThrowingTaskGroup(of: [(Int, Paid)].self) { group in
            for (platform, sender) in senders.enumerated() {
                group.addTask {
                    let shop = try await store.withTenant(sender.tenant) { try await BenchStorm.shop($0) }
                    var made: [(Int, Paid)] = []
                    let mine = Array(stride(from: platform, to: count, by: senders.count))
                    for start in stride(from: 0, to: mine.count, by: 100) {
                        let numbers = mine[start..<min(start + 100, mine.count)]
                        let paid = try await store.withTenant(sender.tenant) { tx in
                            try await BenchStorm.order(numbers, at: platform, from: shop, tx)
                        }
                        made += zip(numbers, paid)
                    }
                    return made
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        return made.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private static func order(
        _ numbers: ArraySlice<Int>, at platform: Int, from shop: ID<SubMerchant>, _ tx: TenantTransaction
    ) async throws -> [Paid] {
        let orders = numbers.map { number in
            let amount = Fen(Int64(1000 + number * 37 % 20_000))
            let commission = Fen(amount.value / 20)
            return NewOrder(
                id: ID(at: tx.now), outOrderNo: "storm-\(number)", amount: amount, description: "storm", payer: nil,
                metadata: "{}", splitMode: "on_confirmation", expiresAt: tx.now + .seconds(7200),
                parts: [
                    .init(subMerchantID: shop, amount: amount - commission),
                    .init(subMerchantID: nil, amount: commission),
                ], idempotency: nil)
        }
        _ = try await tx.createOrders(orders)
        var paid: [Paid] = []
        for order in orders {
            let payment = try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
            try await tx.notePrompt(payment.id, #"{"code_url":"weixin://wxpay/bizpayurl?pr=storm"}"#)
            paid.append(Paid(platform: platform, serial: payment.serial, amount: payment.amount))
        }
        return paid
    }

    /// An active sub-merchant; its platform has a bank to be told of orders later.
    private static func shop(_ tx: TenantTransaction) async throws -> ID<SubMerchant> {
        try await tx.setLink(.bank, configuration: Array("{}".utf8))
        let details = SubMerchantDetails(
            name: "storm", certificateNumber: "C1", legalPersonName: "n", legalPersonIDNumber: "1", contactName: "n",
            contactMobile: "1")
        let id = try await tx.openSubMerchant(
            outSubMerchantNo: "s1", kind: .company, displayName: "storm", details: details
        ).id
        try await tx.noteReview(of: id, .active, subAccount: "A1")
        return id
    }

    /// What the database holds, past the code that wrote it.
    private func counted(_ deployment: BenchDeployment) async throws -> [String: Int] {
        try await withConnection(to: try database.configuration()) { connection in
            let rows = try await connection.query(
                """
                SELECT 'callbacks' AS name, count(*) AS value FROM custody.callback
                UNION ALL SELECT 'waiting', count(*) FROM custody.callback WHERE processed_at IS NULL
                UNION ALL SELECT result || '_results', count(*) FROM custody.callback
                           WHERE processed_at IS NOT NULL GROUP BY result
                UNION ALL SELECT 'paid', count(*) FROM custody.payment WHERE state = 'succeeded'
                UNION ALL SELECT 'orders', count(*) FROM custody.trade_order WHERE state = 'paid'
                UNION ALL SELECT 'entries', count(*) FROM custody.ledger_transaction
                UNION ALL SELECT 'subjects', count(DISTINCT t.subject) FROM custody.ledger_transaction t
                            JOIN custody.payment p ON p.tenant_id = t.tenant_id AND p.id = t.subject::uuid
                           WHERE t.event = 'payment.succeeded'
                UNION ALL SELECT 'events', count(*) FROM custody.event WHERE type = 'payment.succeeded'
                UNION ALL SELECT 'receipts', count(*) FROM custody.job WHERE kind = 'register_receipt'
                UNION ALL SELECT 'dead', count(*) FROM custody.job_dead
                UNION ALL SELECT 'sum_fen', coalesce(sum(amount_fen), 0)::bigint FROM custody.posting
                UNION ALL SELECT 'taken_fen', coalesce(-sum(amount_fen), 0)::bigint FROM custody.posting
                           WHERE amount_fen > 0
                UNION ALL SELECT 'held_fen', coalesce(-sum(p.amount_fen), 0)::bigint FROM custody.posting p
                            JOIN custody.ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
                           WHERE a.kind = 'held'
                """)
            return try rows.reduce(into: ["known_results": 0]) { found, row in
                found[try row.get("name")] = try row.get("value", as: Int.self)
            }
        }
    }

    /// Whether `custody audit verify` finds nothing.
    private func proves(_ tenant: ID<Tenant>, _ deployment: BenchDeployment) -> Bool {
        let printed = try? deployment.run(["audit", "verify", "--tenant", tenant.text, "--json"])
        return printed.flatMap { try? JSON(parsing: Array($0.utf8)) }?["verified"]?.bool == true
    }
}
