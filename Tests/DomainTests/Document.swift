import Foundation

/// The repository's own texts.
enum Document {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func read(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appendingPathComponent(path)), as: UTF8.self)
    }

    /// All files below a folder with this ending.
    static func sources(_ folder: String, ending: String = ".swift") throws -> [String] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
        return try paths.sorted().filter { $0.hasSuffix(ending) }.map { try read("\(folder)/\($0)") }
    }

    /// The cells of every table row that begins with a name in backticks.
    static func rows(_ path: String) throws -> [[String]] {
        try read(path).split(separator: "\n").compactMap { line in
            guard let row = line.wholeMatch(of: #/\| `([^`]+)` \| (.+) \|/#) else { return nil }
            return [String(row.1)] + row.2.components(separatedBy: " | ")
        }
    }
}
