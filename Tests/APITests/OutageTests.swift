import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Logging
import Postgres
import Synchronization
import Testing
import TestSupport

@Suite struct OutageTests {
    /// What the clients saw, and whether they are to go on.
    private final class Log: Sendable {
        struct State {
            var acknowledged: [String: String] = [:]
            var unavailable = 0
            var odd: [String] = []
            var isOver = false
        }

        let state = Mutex(State())

        var acknowledged: Int { state.withLock { $0.acknowledged.count } }
        var unavailable: Int { state.withLock { $0.unavailable } }
        var isOver: Bool { state.withLock { $0.isOver } }
    }

    @Test func `PostgreSQL killed under load: 503, then everything as before; no order is lost, none doubled`()
        async throws
    {
        let cluster = try await PrivateCluster()
        let owner = try await Connection.open(cluster.configuration())
        _ = try await Migrator(directory: TestStore.migrations).up(on: owner)
        await owner.close()
        let vault = try Vault(master: TestStore.masterKey)
        func pool(_ role: TestStore.Role, _ size: Int) -> Pool {
            var configuration = cluster.configuration()
            configuration.user = role.rawValue
            return Pool(configuration: configuration, size: size, logger: APIBench.quiet)
        }
        let store = Store(app: pool(.app, 8), system: pool(.system, 3), vault: vault, logger: APIBench.quiet)
        let test = TestStore(store: store, database: "postgres", vault: vault)
        try await APIBench.run(configuration: APIBench.configuration(), world: try await test.world()) {
            bench async throws in
            try await OutageTests.load(bench, cluster)
        }
        await store.close()
        try await cluster.remove()
    }

    private static func load(_ bench: APIBench, _ cluster: PrivateCluster) async throws {
        let log = Log()
        func ready() async throws -> Int {
            try await bench.send("GET", "/readyz", bytes: nil, key: "", port: bench.ports.operations).status
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<16 {
                group.addTask {
                    var number = 0
                    while !log.isOver {
                        try await OutageTests.insist(on: "L-\(client)-\(number)", bench, log)
                        number += 1
                    }
                }
            }
            defer { log.state.withLock { $0.isOver = true } }
            try await eventually("there is load") { log.acknowledged > 200 }
            #expect(try await ready() == 200)
            for _ in 0..<2 {
                try await cluster.killHard()
                let before = log.unavailable
                try await eventually("everybody is told") { log.unavailable > before + 16 }
                #expect(try await ready() == 503)
                try await cluster.start()
                let count = log.acknowledged
                try await eventually("it recovers") { log.acknowledged > count + 200 }
                #expect(try await ready() == 200)
            }
            log.state.withLock { $0.isOver = true }
            try await group.waitForAll()
        }
        let seen = log.state.withLock { $0 }
        #expect(seen.odd == [])
        var stored: [String: String] = [:]
        var cursor: ID<Order>?
        repeat {
            let page = try await bench.world.run { [cursor] in
                try await $0.orders(state: nil, outOrderNo: nil, before: cursor, limit: 500)
            }
            for order in page {
                #expect(stored.updateValue(order.id.text, forKey: order.outOrderNo) == nil)
            }
            cursor = page.last?.id
        } while cursor != nil
        // Each client insisted until its order was acknowledged, so what is stored is exactly what was acknowledged.
        #expect(stored == seen.acknowledged)
    }

    /// Sends an order again and again until it is acknowledged, as a platform would.
    private static func insist(on number: String, _ bench: APIBench, _ log: Log) async throws {
        let body = bench.order(number)
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            let answer = try await bench.send("POST", "/v1/orders", body, headers: ["Idempotency-Key": number])
            switch answer.status {
            case 200, 201:
                log.state.withLock { $0.acknowledged[number] = answer.id }
                return
            case 503 where answer.headers["retry-after"] == "1" && answer.json["retryable"] == true:
                log.state.withLock { $0.unavailable += 1 }
                try await Task.sleep(for: .milliseconds(50))
            default:
                log.state.withLock { $0.odd.append("\(answer.status) \(answer.code ?? "")") }
                return
            }
        }
        throw Unexpected()
    }
}
