extension Rule {
    /// What each target of ours may import of ours: arrows point only downwards.
    static let graph: [String: Set<String>] = [
        "CustodyDomain": [],
        "Postgres": ["CLibpq"],
        "ShangMi": ["COpenSSL"],
        "CustodyWire": ["CustodyDomain", "CZlib", "ShangMi"],
        "CustodyStore": ["CustodyDomain", "Postgres"],
        "CustodyConnectors": ["CustodyDomain", "CustodyWire"],
        // Strangers to our database and to our connectors.
        "CustodySimulators": ["CustodyDomain", "CustodyWire"],
        "CustodyWorkers": ["CustodyConnectors", "CustodyDomain", "CustodyStore", "CustodyWire"],
        "CustodyAPI": ["CustodyDomain", "CustodyStore", "CustodyWire"],
        "custody": [
            "CustodyAPI", "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyStore", "CustodyWire",
            "CustodyWorkers", "Postgres",
        ],
    ]

    /// What else the targets without NIO may import, beyond the toolchain's own modules.
    static let pure: [String: Set<String>] = [
        "CustodyDomain": [],
        "Postgres": ["Logging"],
        "ShangMi": [],
        "CustodyWire": ["Crypto", "CryptoExtras", "SwiftASN1", "X509"],
        "CustodyStore": ["Crypto", "CryptoExtras", "Logging"],
    ]

    /// Modules of the toolchain; Domain has no use for those that do I/O.
    private static let toolchain: Set<String> = [
        "Dispatch", "Foundation", "FoundationEssentials", "FoundationInternationalization", "Glibc", "Synchronization",
    ]

    static let importRules: [Rule] = [
        Rule(
            "a target imports only what stands below it",
            keeps: [
                "Sources/CustodyWire/A.swift": "import CustodyDomain\nimport struct Crypto.SHA256\nimport Foundation",
                "Sources/CustodyWorkers/A.swift": "import CustodyStore\nimport NIOCore",
            ],
            breaks: [
                "Sources/CustodyDomain/A.swift": "import CustodyWire",
                "Sources/CustodyDomain/B.swift": "import Foundation",
                "Sources/CustodySimulators/A.swift": "internal import CustodyStore",
                "Sources/CustodyStore/A.swift": "import NIOCore",
                "Sources/CustodyAPI/A.swift": "@preconcurrency import struct Postgres.SQL",
                "Sources/CustodyAPI/B.swift": "@testable import CustodyWorkers",
                "Sources/CustodyUnheardOf/A.swift": "import CustodyDomain",
            ]
        ) { tree in
            tree.files(ending: ".swift", in: ["Sources"]).flatMap { file -> [Violation] in
                guard let target = file.target, let ours = graph[target] else {
                    return [Violation(path: file.path, line: 1, message: "not in the table of targets")]
                }
                return imports(of: file).filter { !mayImport($0.module, into: target, ours: ours) }
                    .map {
                        Violation(path: file.path, line: $0.line, message: "\(target) must not import \($0.module)")
                    }
            }
        },
        Rule(
            "the manifest declares the same graph, and tests import what it gives them",
            keeps: [
                "Package.swift":
                    "library(\"CustodyWire\", [\"CustodyDomain\", \"CZlib\", \"ShangMi\", crypto])"
            ],
            breaks: [
                "Package.swift": "library(\"CustodyWire\", [\"CustodyDomain\", \"CustodyStore\", crypto])",
                "Tests/DomainTests/A.swift": "import CustodyStore",
            ]
        ) { tree in
            let declared = declaredDependencies(tree.files["Package.swift"])
            let wrong = declared.filter { graph[$0.key] != nil && graph[$0.key] != $0.value }.map {
                Violation(path: "Package.swift", line: 1, message: "\($0.key) depends on \($0.value.sorted())")
            }
            return wrong
                + tree.files(ending: ".swift", in: ["Tests"]).flatMap { file in
                    imports(of: file)
                        .filter { isOurs($0.module) && declared[file.target ?? ""]?.contains($0.module) != true }
                        .map { Violation(path: file.path, line: $0.line, message: "\($0.module) is not declared") }
                }
        },
    ]

    /// The modules a file imports, with their lines.
    static func imports(of file: Tree.File) -> [(module: String, line: Int)] {
        (file.swift?.code ?? []).enumerated().compactMap { offset, line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let keyword = words.firstIndex(of: "import"),
                words[..<keyword].allSatisfy({ $0.hasPrefix("@") || accessLevels.contains($0) })
            else { return nil }
            let kinds: Set<Substring> = ["class", "enum", "func", "let", "protocol", "struct", "typealias", "var"]
            let name = words[(keyword + 1)...].first { !kinds.contains($0) }
            return name.map { (String($0.prefix { $0 != "." }), offset + 1) }
        }
    }

    private static let accessLevels: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]

    private static func isOurs(_ module: String) -> Bool {
        graph.values.contains { $0.contains(module) } || graph[module] != nil
    }

    private static func mayImport(_ module: String, into target: String, ours: Set<String>) -> Bool {
        if isOurs(module) { return ours.contains(module) }
        if target == "CustodyDomain", module.hasPrefix("Foundation") || module == "Dispatch" { return false }
        guard let others = pure[target] else { return true }
        return others.contains(module) || toolchain.contains(module)
    }

    /// What each target of the manifest depends on, of ours: the strings in its list of dependencies.
    static func declaredDependencies(_ manifest: Tree.File?) -> [String: Set<String>] {
        guard let manifest else { return [:] }
        let text = manifest.lines.joined(separator: " ")
        let declaration =
            #/(?:library|tests)\(\s*"(?<function>\w+)",\s*\[(?<list>[^\]]*)\]|name:\s*"(?<name>\w+)",\s*dependencies:\s*\[(?<dependencies>[^\]]*)\]/#
        return text.matches(of: declaration).reduce(into: [:]) { declared, match in
            guard let name = match.function ?? match.name, let list = match.list ?? match.dependencies else { return }
            declared[String(name)] = Set(list.matches(of: #/"(\w+)"/#).map { String($0.1) })
        }
    }
}
