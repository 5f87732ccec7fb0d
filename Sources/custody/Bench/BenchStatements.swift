import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import Logging
import Postgres

/// Bills of millions of lines, from their compressed bytes to the COPY stream of the staging table, against Python's `csv`
/// over the same file; and one real import into PostgreSQL.
struct BenchStatements: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statements", abstract: "Reading bills, against Python's gzip and csv over the same file.",
        discussion: """
            Ours is all that an import does before the database: the file is read to its end and verified, then read again into \
            COPY's binary rows; one core. Needs a superuser's --database-url of a database that may be filled for the import.
            """
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "The yardstick's Python.") var python = "python3"
    @Option(help: "The script that reads a bill in Python.") var peerScript = "bench/peer_statements.py"
    @Option(help: "Lines of WeChat Pay's bill.") var lines = 5_000_000
    @Option(help: "Lines of Alipay's bill.") var alipayLines = 2_000_000
    @Option(help: "Lines of the bill that is imported; 0 leaves the database alone.") var importedLines = 1_000_000
    @Option(help: "Measurements of each, alternating.") var runs = 3
    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        let directory =
            FileManager.default.temporaryDirectory.path + "/custody-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let bill = "\(directory)/wechat.csv.gz"
        try SyntheticBill.weChatPay(lines: lines, at: bill)
        let detail = "\(directory)/alipay.csv"
        try SyntheticBill.alipay(lines: alipayLines, at: detail)

        var (ours, yardstick, alipay): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<runs {
            ours.append(try await rate(bill, .weChatPay, lines))
            alipay.append(try await rate(detail, .alipay, alipayLines))
            yardstick.append(try peerRate(bill))
        }
        let memory = peakMiB()
        let imported = importedLines > 0 ? try await importRate(in: directory) : 0
        let (rate, reference, alipayRate) = (median(ours), median(yardstick), median(alipay))
        let checks: [(String, Bool)] = [
            ("wechat_at_least_300000_per_s", rate >= 300_000), ("alipay_at_least_200000_per_s", alipayRate >= 200_000),
            ("within_100_mib", memory < 100),
        ]
        let answer: JSON = [
            "name": "statements", "ratio": .number(rounded(rate / reference)), "ours": .number(rounded(rate, 0)),
            "yardstick": .number(rounded(reference, 0)), "unit": "lines/s", "lines": JSON(lines),
            "alipay": .number(rounded(alipayRate, 0)), "peak_mib": .number(rounded(memory, 0)),
            "imported": .number(rounded(imported, 0)),
            "runs": [
                "ours": .array(ours.map { .number(rounded($0, 0)) }),
                "alipay": .array(alipay.map { .number(rounded($0, 0)) }),
                "python_csv": .array(yardstick.map { .number(rounded($0, 0)) }),
            ],
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// Verifies a file, and reads it again into COPY's rows, which go nowhere.
    private func rate(_ path: String, _ source: StatementSource, _ count: Int) async throws -> Double {
        let began = ContinuousClock.now
        let statement = try VerifiedStatement(verifying: StatementFile(path: path), from: source)
        let rows = try statement.rows()
        for try await _ in rows {}
        let taken = seconds(since: began)
        guard rows.summary == statement.summary, statement.summary.lineCount == count else {
            throw ValidationError("Of \(count) lines \(statement.summary.lineCount) were read.")
        }
        return Double(count) / taken
    }

    private func peerRate(_ path: String) throws -> Double {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python, peerScript, path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0, let answer = try? JSON(parsing: Array(bytes.prefix { $0 != 0x0A })),
            answer["lines"]?.integer == Int64(lines), case .number(let text)? = answer["seconds"],
            let taken = Double(text)
        else { throw ValidationError("Python could not be measured.") }
        return Double(lines) / taken
    }

    /// One import into the database, as an operator does it, from the file to the commit.
    private func importRate(in directory: String) async throws -> Double {
        let bill = "\(directory)/imported.csv.gz"
        try SyntheticBill.weChatPay(lines: importedLines, at: bill)
        let keyFile = "\(directory)/master.key"
        try writePrivate(Data((0..<32).map { _ in UInt8.random(in: 0...255) }), to: keyFile)
        _ = try await withConnection(to: try database.configuration()) {
            try await Migrator(directory: migrations).up(on: $0)
        }
        var options = try StoreOptions.parse([])
        options.database = database
        options.masterKeyFile = keyFile
        let store = try options.open(connections: 2, logger: Logger(label: "custody.bench"))
        let tenant = try await store.withSystem { try await $0.createTenant(name: "bench", isSandbox: false).id }
        let began = ContinuousClock.now
        let statement = try VerifiedStatement(verifying: StatementFile(path: bill), from: .weChatPay)
        let subject = StatementSubject(source: .weChatPay, form: "trade", date: SyntheticBill.date)
        let kept = try await store.withTenant(tenant) {
            try await $0.keep(statement, subject: subject, fileName: "bench.csv.gz")
        }
        let taken = seconds(since: began)
        await store.close()
        guard kept.statement.lineCount == importedLines else { throw ValidationError("Not every line was kept.") }
        return Double(importedLines) / taken
    }

    /// The most memory that this process ever had in RAM.
    private func peakMiB() -> Double {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/self/status") ?? Data(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return (Double(line.filter(\.isNumber)) ?? 0) / 1024
    }
}
