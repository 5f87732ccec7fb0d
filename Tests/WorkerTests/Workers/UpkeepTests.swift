import CustodyDomain
import CustodyStore
import TestSupport
import Testing

/// What the beginning of a day tidies away.
@Suite(.serialized) struct UpkeepTests {
    @Test func `a day's beginning forgets old keys, of the platform and of the admins`() async throws {
        // The counterparties have nothing of a day that is only ours: that its files are not to be had does not matter here.
        try await SimulatedMarket.run { market in
            try await market.world.working(callbackBase: market.callbackBase) { try await forgets(market) }
        }
    }

    private func forgets(_ market: SimulatedMarket) async throws {
        let world = market.world
        let response = StoredResponse(status: 200, body: [1])
        func claim(_ key: String) -> IdempotencyClaim {
            IdempotencyClaim(key: key, route: "POST /x", bodyHash: [1])
        }
        for key in ["old", "young"] {
            try await world.store.withSystem { try await $0.remember(response, for: claim(key)) }
        }
        try await world.ageAdminAnswer("old", by: .seconds(31 * 86_400))
        try await world.run { try await $0.remember(response, for: claim("old")) }
        // Only this platform's clock: what others do in a month is not what this is about.
        try await world.run { try await $0.setClock(to: $0.now + .seconds(31 * 86_400)) }
        try await world.run { try await $0.remember(response, for: claim("young")) }
        try await world.run { tx in
            try await tx.enqueue(JobRequest(.openDay, BusinessDate(of: tx.now).iso))
        }
        try await eventually("the old ones are forgotten") {
            let admins = try await world.store.withSystem { try await $0.replay(claim("old")) }
            let platforms = try await world.run { try await $0.replay(claim("old")) }
            return admins == nil && platforms == nil
        }
        #expect(try await world.store.withSystem { try await $0.replay(claim("young")) } == response)
        #expect(try await world.run { try await $0.replay(claim("young")) } == response)
    }
}
