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
        let keys = try CWP1KeyPair()
        let (tenant, token) = try await prepare(deployment.store, platformKey: keys.publicPEM)
        let post = Post(port: deployment.port, token: token, signer: try RSASigner(pem: keys.privatePEM))
        let warm = post.send(try post.signed(2000, "warm", clients), over: clients)
        guard warm.refused == 0 else {
            throw DemoFailure(description: "\(warm.refused) callbacks were refused: \(warm.strangest ?? 0)")
        }
        try await deployment.analyze()
        var (ours, yardstick): ([Double], [Double]) = ([], [])
        var (accepted, refused) = (2000, 0)
        for run in 0..<runs {
            let letters = try post.signed(letters, "run\(run)", clients)
            let began = ContinuousClock.now
            let outcome = post.send(letters, over: clients)
            ours.append(Double(outcome.accepted) / seconds(since: began))
            accepted += outcome.accepted
            refused += outcome.refused
            yardstick.append(
                try deployment.pgbench(
                    script, programs: programs, clients: clients, transactions: self.letters,
                    variables: ["tenant": tenant.uuid.text, "run": String(run + 1), "n": "0"]))
        }
        let written = runs * (self.letters / clients) * clients
        let half = post.send(try post.signed(letters / 2, "half", clients), over: clients, pace: median(ours) / 2)
        let stall = try await stalled(post)
        accepted += half.accepted + stall.outcome.accepted
        let stored = try await count(tenant) - written
        try report(ours, yardstick, half, stall, none: refused + half.refused == 0, lost: accepted - stored, deployment)
    }

    private func report(
        _ ours: [Double], _ yardstick: [Double], _ half: HTTPLoad.Outcome,
        _ stall: (outcome: HTTPLoad.Outcome, longest: Double), none refused: Bool, lost: Int,
        _ deployment: BenchDeployment
    ) throws {
        let (rate, reference) = (median(ours), median(yardstick))
        let p99 = percentile(half.latencies.sorted(), 0.99) * 1000
        let checks: [(String, Bool)] = [
            ("ratio_at_least_0_7", rate >= 0.7 * reference), ("none_refused", refused),
            ("p99_under_50_ms_at_half_rate", p99 < 50), ("stalled_database_answered", stall.outcome.refused == 0),
            ("database_was_stalled", stall.longest > 2), ("none_lost", lost == 0),
        ]
        let answer: JSON = [
            "name": "callbacks", "ratio": .number(rounded(rate / reference)), "ours": .number(rounded(rate, 0)),
            "yardstick": .number(rounded(reference, 0)), "unit": "callbacks/s",
            "p99_ms_at_half_rate": .number(rounded(p99)),
            "longest_answer_while_stalled_s": .number(rounded(stall.longest)), "lost": JSON(lost),
            "api_mib": .number(rounded(residentMiB(of: deployment.api), 0)),
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// Sends while nothing can be written for three seconds. What is not stored by then must be refused, to be sent again; here
    /// the API's patience is longer than the stall, so all are stored.
    private func stalled(_ post: Post) async throws -> (outcome: HTTPLoad.Outcome, longest: Double) {
        let letters = try post.signed(4000, "stall", clients)
        let configuration = try database.configuration()
        async let stall: Void = withConnection(to: configuration) { connection in
            _ = try await connection.query("BEGIN")
            _ = try await connection.query("LOCK TABLE custody.callback IN ACCESS EXCLUSIVE MODE")
            _ = try await connection.query("SELECT pg_sleep(3)")
            _ = try await connection.query("COMMIT")
        }
        try await Task.sleep(for: .milliseconds(200))
        let outcome = post.send(letters, over: clients)
        try await stall
        return (outcome, outcome.latencies.max() ?? 0)
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

    /// A platform that is linked to WeChat Pay.
    private func prepare(_ store: Store, platformKey: String) async throws -> (ID<Tenant>, token: String) {
        let tenant = try await store.withSystem { try await $0.createTenant(name: "bench", isSandbox: false) }
        let link = WeChatPayLink(
            baseURL: "http://127.0.0.1:9", mchid: "1900000001", appid: "wx0000000000000001", merchantSerial: "AA",
            merchantPrivateKeyPEM: try CWP1KeyPair().privatePEM, apiV3Key: String(repeating: "k", count: 32),
            platformKeys: [.init(serial: "PUB_KEY_ID_1", pem: platformKey)])
        let bytes = Array(try JSONEncoder().encode(link))
        try await store.withTenant(tenant.id) { try await $0.setLink(.weChatPay, configuration: bytes) }
        return (tenant.id, tenant.callbackToken)
    }
}

/// Signed callbacks on their way.
private struct Post: Sendable {
    let port: Int
    let token: String
    let signer: RSASigner

    /// Requests, whole, as WeChat Pay would send them; signing is not what is measured.
    func signed(_ count: Int, _ label: String, _ connections: Int) throws -> [[UInt8]] {
        let found = SafeList<(Int, [UInt8])>()
        let now = String(WallClock.now().seconds)
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let id = "\(label)-\(index)"
            let cipher = String(repeating: "c", count: 520)
            let body = """
                {"id":"\(id)","create_time":"2026-10-05T12:00:00+08:00","resource_type":"encrypt-resource",\
                "event_type":"TRANSACTION.SUCCESS","summary":"支付成功","resource":{"original_type":"transaction",\
                "algorithm":"AEAD_AES_256_GCM","ciphertext":"\(cipher)","associated_data":"transaction",\
                "nonce":"0123456789ab"}}
                """
            let bytes = Array(body.utf8)
            let nonce = String(id.utf8.reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }) + "0123456789"
            let message = WeChatPayVerifier.message(timestamp: now, nonce: nonce, body: bytes)
            guard let signature = try? signer.base64Signature(of: message) else { return }
            let head = """
                POST /callbacks/wechat_pay/\(token) HTTP/1.1\r
                Host: 127.0.0.1\r
                Content-Type: application/json\r
                Wechatpay-Serial: PUB_KEY_ID_1\r
                Wechatpay-Timestamp: \(now)\r
                Wechatpay-Nonce: \(nonce)\r
                Wechatpay-Signature: \(signature)\r
                Content-Length: \(bytes.count)\r
                \r

                """
            found.append((index, Array(head.utf8) + bytes))
        }
        guard found.values.count == count else { throw DemoFailure(description: "callbacks could not be signed") }
        return found.values.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Sends them all, each connection its share.
    func send(_ letters: [[UInt8]], over connections: Int, pace: Double? = nil) -> HTTPLoad.Outcome {
        HTTPLoad(port: port, accepted: 204) { connection, count in
            let index = (count - 1) * connections + connection
            return index < letters.count ? letters[index] : nil
        }.run(connections: connections, seconds: 600, pace: pace)
    }
}
