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
        commandName: "import",
        abstract: "Read a statement to its end, keep it whole or not at all, and queue the matching of its day.",
        discussion: """
            WeChat Pay's trade, fund-flow and profit-sharing bills (plain or gzip), Alipay's (zip or csv), the bank's files: \
            CWP/1 (a .ok beside it is checked), CCB's and MYbank's forms. A file is read in pieces, however large it is.
            """
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Option(help: "wechat_pay, alipay or bank.") var source: String

    @Option(help: "The day it is about (YYYY-MM-DD); needed where the file does not say.") var date: String?

    @Option(help: "As what it is kept, where the file does not say: sub_merchant_fund_flow.") var form: String?

    @Argument(help: "The file.") var file: String

    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        guard let source = StatementSource(rawValue: source) else {
            throw ValidationError("A source is wechat_pay, alipay or bank.")
        }
        let opened: StatementFile
        let statement: VerifiedStatement
        do throws(StatementDefect) {
            opened = try StatementFile(path: file)
            let ok =
                file.hasSuffix(".txt") ? FileManager.default.contents(atPath: String(file.dropLast(4)) + ".ok") : nil
            statement = try VerifiedStatement(
                verifying: opened, from: source, ok: source == .bank ? ok.map(Array.init) : nil)
        } catch {
            throw ValidationError("Refused: \(error.sentence).")
        }
        let summary = statement.summary
        guard let day = try day(of: summary) else { throw ValidationError("Which day is it about? Give --date.") }
        let subject = StatementSubject(source: source, form: form ?? summary.series, date: day)
        do throws(StatementDefect) { try subject.accept(statement) } catch {
            throw ValidationError("Refused: \(error.sentence).")
        }
        let name = opened.name ?? file
        let stored = try await withStore(options) { store in
            try await store.withTenant(tenant.id) { tx in
                let stored = try await tx.keep(statement, subject: subject, fileName: name)
                try await tx.audit("statement.import", on: stored.statement.id.text, by: .commandLine)
                return stored
            }
        }
        if json {
            print(
                JSON(
                    dictionaryLiteral: ("id", .string(stored.statement.id.text)), ("new", .bool(stored.isNew)),
                    ("form", .string(summary.form)), ("date", .string(day.iso)), ("lines", JSON(summary.lineCount)),
                    ("amount", JSON(stored.statement.amount.value))
                ).text
            )
        } else {
            print(
                "\(stored.statement.id.text)  \(summary.form) of \(day.iso): \(summary.lineCount) lines\(stored.isNew ? "" : ", known already")"
            )
        }
    }

    private func day(of summary: StatementSummary) throws -> BusinessDate? {
        guard let date else { return summary.date }
        guard let day = BusinessDate(date) else { throw ValidationError("A date is YYYY-MM-DD.") }
        return day
    }
}
