import ArgumentParser
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Postgres

/// Callbacks of WeChat Pay over HTTP against `pgbench` writing the same rows as one pipelined transaction.
struct BenchCallbacks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "callbacks", abstract: "POST /callbacks/wechat_pay, against pgbench writing the same rows.",
        discussion: "Needs a superuser's --database-url of a database that may be filled."
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "The yardstick's script.") var script = "bench/callbacks.pgbench.sql"
    @Option(help: "The directory of pgbench.") var programs = "/usr/lib/postgresql/15/bin"
    @Option(help: "Connections of the load.") var clients = 32
    @Option(help: "Callbacks of each measurement; each is signed beforehand.") var letters = 16_000
    @Option(help: "Measurements of each, alternating.") var runs = 3
    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        let deployment = try await BenchDeployment(database: database, migrations: migrations)
        do {
            try await measure(deployment)
        } catch {
            await deployment.stop()
            throw error
        }
        await deployment.stop()
    }

    private func measure(_ deployment: BenchDeployment) async throws {
        let sender = try await CallbackSender(linking: 1, in: deployment.store)
        let warm = try send(2000, "warm", sender, deployment)
        guard warm.refused == 0 else {
            throw DemoFailure(description: "\(warm.refused) callbacks were refused: \(warm.strangest ?? 0)")
        }
        try await deployment.settle()
        var (total, written) = (warm, 0)
        func yardstick(_ run: Int, _ count: Int, pace: Double? = nil) throws -> (rate: Double, latencies: [Double]) {
            written += count / clients * clients
            return try deployment.pgbench(
                script, programs: programs, clients: clients, transactions: count,
                variables: ["tenant": sender.tenant.uuid.text, "run": String(run), "n": "0"], pace: pace)
        }
        var rates: (ours: [Double], yardstick: [Double]) = ([], [])
        for run in 0..<runs {
            let outcome = try send(letters, "run\(run)", sender, deployment)
            rates.ours.append(Double(outcome.accepted) / outcome.seconds)
            total.add(outcome)
            rates.yardstick.append(try yardstick(run + 1, letters).rate)
        }
        // The same number of requests a second for both: the same log, the same disk.
        let pace = median(rates.ours) / 2
        var p99: (ours: [Double], yardstick: [Double]) = ([], [])
        for run in 0..<runs {
            let outcome = try send(letters / 2, "half\(run)", sender, deployment, pace: pace)
            p99.ours.append(percentile(outcome.latencies.sorted(), 0.99) * 1000)
            total.add(outcome)
            p99.yardstick.append(
                percentile(try yardstick(runs + run + 1, letters / 2, pace: pace).latencies.sorted(), 0.99) * 1000)
        }
        let refused = total.refused
        let stall = try await stalled(sender, deployment)
        total.add(stall)
        let stored = try await count(sender.tenant) - written
        try report(rates, p99, stall, refused: refused, lost: total.accepted - stored, deployment)
    }

    /// Sends callbacks of one payment each, signed beforehand: signing is not what is measured.
    private func send(
        _ count: Int, _ label: String, _ sender: CallbackSender, _ deployment: BenchDeployment, pace: Double? = nil
    ) throws -> HTTPLoad.Outcome {
        HTTPLoad.deliver(
            try sign(count, label, sender), to: deployment.port, accepted: 204, over: clients, pace: pace)
    }

    private func sign(_ count: Int, _ label: String, _ sender: CallbackSender) throws -> [[UInt8]] {
        let now = WallClock.now()
        return try inParallel(count) { number in
            try sender.request(id: "\(label)-\(number)", serial: "\(label)S\(number)", amount: Fen(10_000), at: now)
        }
    }

    private func report(
        _ rates: (ours: [Double], yardstick: [Double]), _ p99: (ours: [Double], yardstick: [Double]),
        _ stall: HTTPLoad.Outcome, refused: Int, lost: Int, _ deployment: BenchDeployment
    ) throws {
        let (rate, reference) = (median(rates.ours), median(rates.yardstick))
        let longest = stall.latencies.max() ?? 0
        let checks: [(String, Bool)] = [
            ("ratio_at_least_0_7", rate >= 0.7 * reference), ("none_refused", refused == 0),
            ("p99_under_50_ms_at_half_rate", median(p99.ours) < 50), ("stalled_database_answered", stall.refused == 0),
            ("database_was_stalled", longest > 2), ("none_lost", lost == 0),
        ]
        func list(_ values: [Double], _ decimals: Int) -> JSON {
            .array(values.map { .number(rounded($0, decimals)) })
        }
        let answer: JSON = [
            "name": "callbacks", "ratio": .number(rounded(rate / reference)), "ours": .number(rounded(rate, 0)),
            "yardstick": .number(rounded(reference, 0)), "unit": "callbacks/s",
            "p99_ms_at_half_rate": .number(rounded(median(p99.ours))),
            "yardstick_p99_ms_at_half_rate": .number(rounded(median(p99.yardstick))),
            "longest_answer_while_stalled_s": .number(rounded(longest)), "lost": JSON(lost),
            "api_mib": .number(rounded(residentMiB(of: deployment.api), 0)),
            "runs": [
                "ours": list(rates.ours, 0), "yardstick": list(rates.yardstick, 0),
                "p99_ms_at_half_rate": list(p99.ours, 2), "yardstick_p99_ms_at_half_rate": list(p99.yardstick, 2),
            ],
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// Sends while nothing can be written for three seconds. What is not stored by then must be refused, to be sent again; here
    /// the API's patience is longer than the stall, so all are stored.
    private func stalled(_ sender: CallbackSender, _ deployment: BenchDeployment) async throws -> HTTPLoad.Outcome {
        let letters = try sign(4000, "stall", sender)
        let configuration = try database.configuration()
        async let stall: Void = withConnection(to: configuration) { connection in
            _ = try await connection.query("BEGIN")
            _ = try await connection.query("LOCK TABLE custody.callback IN ACCESS EXCLUSIVE MODE")
            _ = try await connection.query("SELECT pg_sleep(3)")
            _ = try await connection.query("COMMIT")
        }
        try await Task.sleep(for: .milliseconds(200))
        let outcome = HTTPLoad.deliver(letters, to: deployment.port, accepted: 204, over: clients)
        try await stall
        return outcome
    }

    private func count(_ tenant: ID<Tenant>) async throws -> Int {
        try await withConnection(to: try database.configuration()) { connection in
            let rows = try await connection.query(
                """
                SELECT (SELECT count(*) FROM custody.callback c WHERE c.tenant_id = \(tenant.uuid)) AS callbacks,
                       (SELECT count(*) FROM custody.job j
                         WHERE j.tenant_id = \(tenant.uuid) AND j.kind = 'process_callback') AS jobs
                """
            )
            let (callbacks, jobs): (Int, Int) = (try rows[0].get("callbacks"), try rows[0].get("jobs"))
            guard callbacks == jobs else { throw DemoFailure(description: "\(callbacks) callbacks, but \(jobs) jobs") }
            return callbacks
        }
    }
}
