import Foundation

/// The files of the repository, or of a made-up one.
struct Tree: Sendable {
    /// A text file.
    struct File: Sendable {
        /// From the root, as in `Sources/CustodyDomain/Money/Fen.swift`.
        let path: String
        /// Its lines, without their ends.
        let lines: [String]
        /// Its parts, if it is Swift.
        let swift: SwiftText?

        init(_ path: String, _ text: String) {
            self.path = path
            lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            swift = path.hasSuffix(".swift") ? SwiftText(text) : nil
        }

        /// The name of the target it belongs to: the folder below `Sources` or `Tests`.
        var target: String? {
            let parts = path.split(separator: "/")
            return parts.count > 2 && (parts[0] == "Sources" || parts[0] == "Tests") ? String(parts[1]) : nil
        }

        /// Whether it is below one of these folders, or one of them itself.
        func isIn(_ folders: [String]) -> Bool {
            folders.contains { path == $0 || path.hasPrefix($0 + "/") }
        }
    }

    /// Every text file, by path.
    let files: [String: File]
    /// Every path there is, of folders and of files of any kind.
    let paths: Set<String>

    /// Makes a tree of files that are nowhere on disk.
    init(_ texts: [String: String]) {
        files = texts.reduce(into: [:]) { $0[$1.key] = File($1.key, $1.value) }
        paths = Set(texts.keys)
    }

    /// The repository that this file belongs to, read once.
    static let repository = Result { try read() }

    private static func read() throws -> Tree {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var texts: [String: String] = [:]
        var paths: Set<String> = []
        let prefix = root.path(percentEncoded: false)
        guard let walk = FileManager.default.enumerator(at: root, includingPropertiesForKeys: [.isDirectoryKey])
        else { throw CocoaError(.fileReadNoSuchFile) }
        for case let url as URL in walk {
            let path = String(url.path(percentEncoded: false).dropFirst(prefix.count))
                .trimmingCharacters(in: ["/"])
            let isFolder = try url.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
            if isForeign(path) {
                if isFolder { walk.skipDescendants() }
                continue
            }
            paths.insert(path)
            if isFolder { continue }
            guard isText(path) else { continue }
            texts[path] = try String(contentsOf: url, encoding: .utf8)
        }
        return Tree(texts, paths: paths)
    }

    private init(_ texts: [String: String], paths: Set<String>) {
        files = texts.reduce(into: [:]) { $0[$1.key] = File($1.key, $1.value) }
        self.paths = paths
    }

    /// What is built, installed or recorded in the checkout, and not part of it.
    private static func isForeign(_ path: String) -> Bool {
        [".git", ".local", "Package.resolved"].contains(path) || path.hasPrefix(".build")
            || path.hasSuffix("__pycache__")
    }

    /// Whether it is text that we wrote; the fixtures were made by others.
    private static func isText(_ path: String) -> Bool {
        let endings = [
            ".swift", ".sql", ".sh", ".py", ".md", ".yml", ".yaml", ".toml", ".txt", ".json", ".html", ".mustache",
        ]
        let names = ["Makefile", "Dockerfile", ".ci/run", ".gitignore", ".dockerignore"]
        return !path.hasPrefix("Tests/Fixtures/") && (names.contains(path) || endings.contains { path.hasSuffix($0) })
    }

    /// The files of a kind, in order of their paths.
    func files(ending: String, in folders: [String] = []) -> [File] {
        files.values.filter { $0.path.hasSuffix(ending) && (folders.isEmpty || $0.isIn(folders)) }
            .sorted { $0.path < $1.path }
    }
}
