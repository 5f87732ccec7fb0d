import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// The books of a platform at the end of the demo, held against the simulated bank's.
struct DemoBooks: Sendable {
    let balances: [JSON]
    let bank: JSON
    /// What our own proof finds wrong; empty is the proof.
    let violations: [String]
    /// What differs between our books and the bank's; empty when they agree to the fen.
    let differences: [String]

    static func read(_ platform: DemoPlatform, _ world: DemoWorld) async throws -> DemoBooks {
        guard let id = ID<Tenant>(platform.tenant) else { throw DemoFailure(description: "the platform has no id") }
        let violations = try await world.store.withTenant(id) { try await $0.ledgerViolations() }.map(\.description)
        let balances =
            try await world.http.call(.GET, "\(world.api)/v1/balances", key: platform.key)["data"]?.array ?? []
        let bank = try await world.http.call(.GET, "\(world.bank)/control/markets/\(platform.market)/balances")
        let shops = try await world.http.list("\(world.api)/v1/sub-merchants", key: platform.key)
        return DemoBooks(
            balances: balances, bank: bank, violations: violations, differences: compare(balances, bank, shops)
        )
    }

    /// Every account that both sides keep, compared to the fen.
    private static func compare(_ balances: [JSON], _ bank: JSON, _ shops: [JSON]) -> [String] {
        func sum(_ accounts: Set<String>, owner: String? = nil) -> Int64 {
            balances.filter {
                accounts.contains($0["account"]?.string ?? "") && (owner == nil || $0["owner"]?.string == owner)
            }.reduce(0) { $0 + ($1["balance"]?.integer ?? 0) }
        }
        let party: Set<String> = ["held", "pending", "available", "frozen", "withdrawing"]
        var pairs: [(String, ours: Int64, theirs: Int64)] = [
            ("cash in custody", sum(["bank_cash"]), bank["master_fen"]?.integer ?? .min),
            ("in transit from channels", sum(["clearing"]), bank["in_transit_in_fen"]?.integer ?? .min),
            (
                "reserve and suspense", sum(["reserve", "suspense", "write_off"]) - sum(["fee_receivable"]),
                (bank["deposit_fen"]?.integer ?? .min) + (bank["suspense_fen"]?.integer ?? 0)
            ),
        ]
        let accounts = bank["sub_accounts"]?.array ?? []
        for shop in shops {
            let theirs = accounts.first { $0["sub_acct"]?.string == shop["sub_account"]?.string }
            pairs.append(
                (
                    shop["out_sub_merchant_no"]?.string ?? "", sum(party, owner: shop["id"]?.string),
                    (theirs?["total_fen"]?.integer ?? .min) + (theirs?["in_transit_fen"]?.integer ?? 0)
                )
            )
        }
        let fee = accounts.first { $0["type"]?.string == "FEE" }
        pairs.append(("commission", sum(party, owner: "platform"), fee?["total_fen"]?.integer ?? .min))
        var differences = pairs.filter { $0.ours != $0.theirs }.map {
            "\($0.0): \($0.ours) fen here, \($0.theirs) there"
        }
        if bank["invariant_ok"]?.bool != true { differences.append("the bank's own books do not balance") }
        return differences
    }

    /// The books as a table, in yuan.
    var table: String {
        var totals: [(name: String, fen: Int64)] = []
        for balance in balances {
            let owner = balance["owner"]?.string ?? ""
            let name =
                (balance["account"]?.string ?? "")
                + (owner.hasPrefix("sub_") ? " (sub-merchants)" : owner == "platform" ? "" : " \(owner)")
            let fen = balance["balance"]?.integer ?? 0
            if let index = totals.firstIndex(where: { $0.name == name }) {
                totals[index].fen += fen
            } else {
                totals.append((name, fen))
            }
        }
        return totals.map { line in
            let name = line.name.padding(toLength: 28, withPad: " ", startingAt: 0)
            let yuan = Fen(line.fen).yuan
            return "    \(name)\(String(repeating: " ", count: max(0, 14 - yuan.count)))\(yuan)"
        }.joined(separator: "\n")
    }
}
