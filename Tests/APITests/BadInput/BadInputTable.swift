import Foundation

/// The table of docs/operating/bad-input.md: what comes of every kind of bad input, as it is promised there.
struct BadInputTable {
    /// A row of it.
    struct Row: Hashable {
        /// What is wrong with the input.
        let item: String
        /// The codes of what comes of it.
        let results: Set<String>
        /// The action of its entry in the audit trail; nil when it has none.
        let audit: String?
    }

    /// The rows that a test proves for a counterparty.
    static func rows(of test: String, from counterparty: String) throws -> Set<Row> {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/operating/bad-input.md")
        return try String(contentsOf: path, encoding: .utf8).split(separator: "\n").reduce(into: []) { rows, line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, cells[4] == test, cells[1].split(separator: "; ").contains(Substring(counterparty))
            else { return }
            rows.insert(
                Row(
                    item: cells[0], results: Set(codes(cells[2])), audit: codes(cells[3]).first))
        }
    }

    /// The words in backticks.
    private static func codes(_ cell: String) -> [String] { cell.matches(of: #/`([^`]+)`/#).map { String($0.1) } }
}
