import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Orders over HTTP against `pgbench` writing the same rows as one pipelined transaction.
struct BenchOrders: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orders", abstract: "POST /v1/orders, against pgbench writing the same rows.",
        discussion: "Needs a superuser's --database-url of a database that may be filled."
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "The yardstick's script.") var script = "bench/orders.pgbench.sql"
    @Option(help: "The directory of pgbench.") var programs = "/usr/lib/postgresql/15/bin"
    @Option(help: "Connections of the load.") var clients = 32
    @Option(name: .customLong("seconds"), help: "Seconds of each measurement.") var length = 10
    @Option(help: "Measurements of each, alternating.") var runs = 3
    @Flag(help: "Answer in JSON, one object.") var json = false

    private struct Market {
        let tenant: ID<Tenant>
        let key: String
        let payees: [ID<SubMerchant>]
    }

    func run() async throws {
        let deployment = try await BenchDeployment(database: database, migrations: migrations)
        do {
            try await measure(try await prepare(deployment.store), deployment)
        } catch {
            await deployment.stop()
            throw error
        }
        await deployment.stop()
    }

    private func measure(_ market: Market, _ deployment: BenchDeployment) async throws {
        _ = load(market, deployment, "warm").run(connections: clients, seconds: 2)
        try await deployment.settle()
        var (ours, yardstick, latencies): ([Double], [Double], [Double]) = ([], [], [])
        var (accepted, refused, cpu) = (0, 0, 0.0)
        for run in 0..<runs {
            let before = cpuSeconds(of: deployment.api)
            let outcome = load(market, deployment, "run\(run)").run(connections: clients, seconds: Double(length))
            cpu += cpuSeconds(of: deployment.api) - before
            ours.append(Double(outcome.accepted) / Double(length))
            accepted += outcome.accepted
            refused += outcome.refused
            latencies += outcome.latencies
            yardstick.append(
                try deployment.pgbench(
                    script, programs: programs, clients: clients, transactions: length * 100 * clients,
                    variables: [
                        "tenant": market.tenant.uuid.text, "s1": market.payees[0].uuid.text,
                        "s2": market.payees[1].uuid.text, "run": String(run + 1), "n": "0",
                    ]
                ).rate)
        }
        latencies.sort()
        let (rate, reference) = (median(ours), median(yardstick))
        let (apiMemory, workerMemory) = (residentMiB(of: deployment.api), residentMiB(of: deployment.worker))
        let checks: [(String, Bool)] = [
            ("ratio_at_least_0_7", rate >= 0.7 * reference), ("none_refused", refused == 0),
            ("api_within_150_mib", apiMemory <= 150), ("worker_within_150_mib", workerMemory <= 150),
            ("cold_start_within_1_s", deployment.coldStart < 1),
        ]
        let answer: JSON = [
            "name": "orders", "ratio": .number(rounded(rate / reference)), "ours": .number(rounded(rate, 0)),
            "yardstick": .number(rounded(reference, 0)), "unit": "orders/s",
            "p50_ms": .number(rounded(percentile(latencies, 0.5) * 1000)),
            "p99_ms": .number(rounded(percentile(latencies, 0.99) * 1000)), "api_mib": .number(rounded(apiMemory, 0)),
            "worker_mib": .number(rounded(workerMemory, 0)), "cold_start_s": .number(rounded(deployment.coldStart)),
            "api_cpu_seconds_per_1000_orders": .number(rounded(cpu / Double(max(1, accepted)) * 1000)),
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    private func load(_ market: Market, _ deployment: BenchDeployment, _ label: String) -> HTTPLoad {
        let payees = market.payees.map(\.text)
        return HTTPLoad(port: deployment.port, accepted: 201) { connection, count in
            let number = "\(label)-\(connection)-\(count)"
            let body = """
                {"out_order_no":"\(number)","amount":10000,"currency":"CNY","description":"bench","payer":"buyer",\
                "parts":[{"payee":"\(payees[0])","amount":6000},{"payee":"\(payees[1])","amount":3500},\
                {"payee":"platform","amount":500}]}
                """
            let head =
                "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(market.key)\r\n"
                + "Idempotency-Key: \(number)\r\nContent-Type: application/json\r\n"
            return Array("\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
        }
    }

    /// A platform with a key and two active sub-merchants.
    private func prepare(_ store: Store) async throws -> Market {
        let (tenant, key) = try await store.withSystem { system in
            let tenant = try await system.createTenant(name: "bench", isSandbox: false).id
            return (
                tenant,
                try await system.createKey(for: tenant, name: "bench", scopes: ["read", "write"], expiresAt: nil)
            )
        }
        let payees = try await store.withTenant(tenant) { tx in
            try await tx.setLink(.bank, configuration: Array("{}".utf8))
            var ids: [ID<SubMerchant>] = []
            for number in 1...2 {
                let details = SubMerchantDetails(
                    name: "bench", certificateNumber: "C\(number)", legalPersonName: "n", legalPersonIDNumber: "1",
                    contactName: "n", contactMobile: "1"
                )
                let id = try await tx.openSubMerchant(
                    outSubMerchantNo: "s\(number)", kind: .company, displayName: "bench", details: details
                ).id
                try await tx.noteReview(of: id, .active, subAccount: "A\(number)")
                ids.append(id)
            }
            return ids
        }
        return Market(tenant: tenant, key: key, payees: payees)
    }
}
