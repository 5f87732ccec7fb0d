import ArgumentParser
import CustodyDomain
import CustodyStore
import Foundation

/// Hands a platform's data to other programs.
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand a platform's data to other programs.", subcommands: [ExportJournal.self])
}

struct ExportJournal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Write a platform's books as a plain-text journal, which hledger reads.",
        discussion: """
            The books are those of one instant, whatever is booked meanwhile.

            custody export journal --tenant ten_… | hledger -f - balance
            """
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform.") var tenant: TenantID

    func run() async throws {
        let output = FileHandle.standardOutput
        try output.write(contentsOf: Data(JournalEntry.preamble.utf8))
        try await withStore(options) { store in
            try await store.withSnapshot(of: tenant.id) { tx in
                var last: ID<LedgerTransaction>?
                while true {
                    let entries = try await tx.journal(after: last, limit: 1000)
                    guard let id = entries.last?.id else { break }
                    try output.write(contentsOf: Data(entries.map(\.text).joined().utf8))
                    last = id
                }
            }
        }
    }
}
