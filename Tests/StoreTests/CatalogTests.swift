import CustodyDomain
import CustodyStore
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("The catalog's tests can fail")
struct CatalogTests {
    /// Mistakes that a migration could make, each of which pgTAP must notice.
    private static let mutations = [
        "ALTER TABLE custody.trade_order DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE custody.posting NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE custody.job_callbacks DISABLE ROW LEVEL SECURITY",
        "DROP POLICY payment_own ON custody.payment",
        "CREATE POLICY wide ON custody.payment TO custody_app USING (true)",
        "CREATE POLICY wide ON custody.payment TO custody_system USING (true)",
        "CREATE POLICY wide ON custody.payment USING (true)",
        "ALTER POLICY refund_own ON custody.refund USING (tenant_id = current_setting('app.tenant_id', true)::uuid)",
        "ALTER POLICY refund_own ON custody.refund WITH CHECK (true)",
        "ALTER POLICY split_own ON custody.split USING (tenant_id = (SELECT current_setting('app.tenant_id')::uuid))",
        "SET ROLE custody_owner; CREATE TABLE custody.forgotten (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (tenant_id, id))",
        "SET ROLE custody_owner; CREATE TABLE custody.common (id uuid PRIMARY KEY)",
        "SET ROLE custody_owner; CREATE VIEW custody.leak AS SELECT * FROM custody.trade_order",
        "CREATE UNIQUE INDEX global ON custody.payment (serial)",
        "SET ROLE custody_owner; ALTER TABLE custody.order_part ADD UNIQUE (order_id, number); ALTER TABLE custody.split_part ADD FOREIGN KEY (order_id, part_number) REFERENCES custody.order_part (order_id, number)",
        "ALTER TABLE custody.event DROP CONSTRAINT event_pkey CASCADE; ALTER TABLE custody.event ALTER tenant_id DROP NOT NULL",
        "ALTER TABLE custody.refund OWNER TO custody_app",
        "ALTER FUNCTION custody.fold_balances(uuid) OWNER TO postgres",
        "GRANT SELECT ON custody.payment TO public",
        "GRANT SELECT (id) ON custody.payment TO public",
        "GRANT USAGE ON SCHEMA custody TO public",
        "GRANT CREATE ON SCHEMA custody TO custody_app",
        "GRANT SELECT ON custody.job_callbacks TO custody_app",
        "GRANT DELETE ON custody.payment TO custody_app",
        "GRANT TRUNCATE ON custody.payment TO custody_app",
        "GRANT UPDATE ON custody.posting TO custody_app",
        "GRANT EXECUTE ON FUNCTION custody.fold_balances(uuid) TO public",
        "ALTER FUNCTION custody.apply_postings() RESET search_path",
        "ALTER PROCEDURE custody.retire_jobs(uuid[], text[], uuid[], bigint[], bigint[]) SECURITY DEFINER",
        "GRANT EXECUTE ON PROCEDURE custody.retire_jobs(uuid[], text[], uuid[], bigint[], bigint[]) TO public",
        "ALTER TABLE custody.payment DROP CONSTRAINT payment_state_check",
        "ALTER TABLE custody.payment ALTER amount_fen TYPE numeric",
        "ALTER TABLE custody.payment ALTER created_at TYPE timestamp",
        "ALTER TABLE custody.payment ALTER amount_fen DROP NOT NULL",
        "ALTER TABLE custody.posting DISABLE TRIGGER posting_append_only",
        "DROP TRIGGER audit_entry_append_only ON custody.audit_entry",
    ]

    private func run(_ configuration: PostgresConfiguration) async throws -> (passed: Int, failed: [String]) {
        let directory = URL(fileURLWithPath: TestStore.migrations).deletingLastPathComponent().appendingPathComponent(
            "tests")
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".sql") }
            .sorted()
        var (passed, failed) = (0, [String]())
        for file in files {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: PrivateCluster.binaries + "/psql")
            process.arguments = [
                "-XAtq", "-h", configuration.host, "-p", String(configuration.port), "-U", configuration.user, "-d",
                configuration.database, "-f", directory.appendingPathComponent(file).path,
            ]
            let output = Pipe()
            process.standardOutput = output
            process.standardError = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            let lines = text.split(separator: "\n").map(String.init)
            passed += lines.filter { $0.hasPrefix("ok ") }.count
            failed += lines.filter { $0.hasPrefix("not ok") || $0.contains("ERROR:") || $0.contains("Looks like you") }
        }
        return (passed, failed)
    }

    @Test func `the schema as it is passes all of them`() async throws {
        try await TestCluster.withDatabase(template: try await TestStore.templateDatabase()) { configuration in
            let result = try await run(configuration)
            #expect(result.failed == [])
            #expect(result.passed >= 33)
        }
    }

    @Test(arguments: mutations.indices)
    func `a mistake in the schema turns them red`(_ index: Int) async throws {
        try await TestCluster.withDatabase(template: try await TestStore.templateDatabase()) { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script(Self.mutations[index])
            await connection.close()
            let result = try await run(configuration)
            #expect(result.failed.contains { $0.hasPrefix("not ok") }, "\(Self.mutations[index])")
        }
    }

    @Test func `roles that are above the rules turn them red`() async throws {
        // Roles are the whole server's, so this needs a server of its own.
        let cluster = try await PrivateCluster()
        let connection = try await Connection.open(cluster.configuration())
        _ = try await Migrator(directory: TestStore.migrations).up(on: connection)
        #expect(try await run(cluster.configuration()).failed == [])
        for (mistake, remedy) in [
            ("ALTER ROLE custody_app BYPASSRLS", "ALTER ROLE custody_app NOBYPASSRLS"),
            ("ALTER ROLE custody_system SUPERUSER", "ALTER ROLE custody_system NOSUPERUSER"),
            ("ALTER ROLE custody_owner LOGIN", "ALTER ROLE custody_owner NOLOGIN"),
            ("GRANT custody_owner TO custody_app", "REVOKE custody_owner FROM custody_app"),
        ] {
            try await connection.script(mistake)
            #expect(try await run(cluster.configuration()).failed.contains { $0.hasPrefix("not ok") }, "\(mistake)")
            try await connection.script(remedy)
        }
        #expect(try await run(cluster.configuration()).failed == [])
        await connection.close()
        try await cluster.remove()
    }
}
