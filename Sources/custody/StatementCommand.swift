import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation

/// Brings in statements by hand.
struct StatementCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statement", abstract: "Bring in statements by hand.", subcommands: [StatementImport.self]
    )
}

struct StatementImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Read a statement whole, keep it, and queue the matching of its day.",
        discussion:
            "WeChat Pay's trade bills (plain or gzip), Alipay's (zip or csv), the bank's files (a .ok beside it is checked)."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Option(help: "wechat_pay, alipay or bank.") var source: String

    @Option(help: "The day it is about (YYYY-MM-DD); needed where the file does not say.") var date: String?

    @Argument(help: "The file.") var file: String

    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        guard let source = StatementSource(rawValue: source) else {
            throw ValidationError("A source is wechat_pay, alipay or bank.")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError("The file cannot be read.")
        }
        let bytes = Array(data)
        let content: StatementContent
        do {
            content = try read(source, bytes)
        } catch let defect as StatementDefect {
            throw ValidationError(
                "Refused\(defect.line.map { " at line \($0)" } ?? "")\(defect.column.map { ", column \($0)" } ?? ""): \(defect.reason)."
            )
        }
        guard let day = try day(of: content) else { throw ValidationError("Which day is it about? Give --date.") }
        let form = source == .bank ? content.form : "trade"
        let subject = StatementSubject(source: source, form: form, date: day)
        let name = URL(fileURLWithPath: file).lastPathComponent
        let stored = try await withStore(options) { store in
            try await store.withTenant(tenant.id) { tx in
                let stored = try await tx.keep(content, subject: subject, fileName: name, bytes: bytes)
                try await tx.audit("statement.import", on: stored.statement.id.text, by: .commandLine)
                return stored
            }
        }
        if json {
            print(
                JSON(
                    dictionaryLiteral: ("id", .string(stored.statement.id.text)), ("new", .bool(stored.isNew)),
                    ("form", .string(content.form)), ("date", .string(day.iso)), ("lines", JSON(content.lines.count)),
                    ("amount", JSON(stored.statement.amount.value))
                ).text
            )
        } else {
            print(
                "\(stored.statement.id.text)  \(content.form) of \(day.iso): \(content.lines.count) lines\(stored.isNew ? "" : ", known already")"
            )
        }
    }

    private func read(_ source: StatementSource, _ bytes: [UInt8]) throws -> StatementContent {
        guard source == .bank, let ok = FileManager.default.contents(atPath: String(file.dropLast(4)) + ".ok") else {
            return try StatementSubject(source: source, form: "trade", date: BusinessDate(daysSinceEpoch: 0)).read(
                bytes)
        }
        return try CWP1File(parsing: bytes, ok: Array(ok)).content()
    }

    private func day(of content: StatementContent) throws -> BusinessDate? {
        guard let date else { return content.date }
        guard let day = BusinessDate(date) else { throw ValidationError("A date is YYYY-MM-DD.") }
        return day
    }
}
