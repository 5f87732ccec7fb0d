extension Rule {
    static let documentRules: [Rule] = [
        Rule(
            "every link between documents leads somewhere",
            keeps: [
                "README.md":
                    "# A b\n[a](#a-b) [b](https://example.com/x.md) `[c](c.md)`\n```\n[d](d.md)\n```\n[e](README.md#a-b)"
            ],
            breaks: [
                "README.md": "[a](docs/nowhere.md)",
                "docs/a.md": "![b](b.png)",
                "docs/b.md": "# Here\n[c](#there)",
                "docs/c.md": "[root]: ../nothing.md",
            ]
        ) { tree in
            tree.files(ending: ".md").flatMap { file in
                prose(of: file).flatMap { line, text in
                    links(in: text).filter { !leadsSomewhere($0, from: file, in: tree) }
                        .map { Violation(path: file.path, line: line, message: "nothing at \($0)") }
                }
            }
        },
        Rule(
            "every make target that is named exists",
            keeps: [
                "Makefile": "test: ## Test\n\tswift test",
                "README.md": "`make test` and make sure\n```\nmake test\n```",
            ],
            breaks: [
                "README.md": "run `make nothing`", "docs/a.md": "```sh\nmake nothing X=1\n```", ".ci/run": "make none",
            ]
        ) { tree in
            let targets = Set(
                (tree.files["Makefile"]?.lines ?? []).compactMap { line in
                    line.firstMatch(of: #/^([a-z][a-z-]*):/#).map { String($0.1) }
                }
            )
            return tree.files.values.filter { $0.path.hasSuffix(".md") || $0.path == ".ci/run" }.flatMap { file in
                file.lines.enumerated().flatMap { offset, line in
                    line.matches(of: #/(?:^\s*(?:\$ |exec )?|`|&& )make ([a-z][a-z-]*)/#).map { String($0.1) }
                        .filter { !targets.contains($0) }
                        .map { Violation(path: file.path, line: offset + 1, message: "no make target \($0)") }
                }
            }
        },
        Rule(
            "a decision is numbered without gaps, and the list of decisions is one folder",
            keeps: ["docs/decisions/0001-one-executable.md": ""],
            breaks: ["docs/decisions/0002-a.md": "", "docs/decisions/b.md": ""]
        ) { tree in
            let folder = "docs/decisions/"
            let names = tree.paths.filter { $0.hasPrefix(folder) && $0.hasSuffix(".md") }.sorted()
                .map { String($0.dropFirst(folder.count)) }
            return names.enumerated().compactMap { offset, name in
                let number = offset + 1
                return name.contains(#/^\d{4}-[a-z0-9-]+\.md$/#) && Int(name.prefix(4)) == number
                    ? nil : Violation(path: folder + name, line: 1, message: "expected number \(number): NNNN-words.md")
            }
        },
    ]

    /// The lines of a document outside fenced blocks, without code spans, numbered from 1.
    private static func prose(of file: Tree.File) -> [(line: Int, text: String)] {
        var isFenced = false
        return file.lines.enumerated().compactMap { offset, line in
            if line.hasPrefix("```") {
                isFenced.toggle()
                return nil
            }
            return isFenced ? nil : (offset + 1, line.replacing(#/`[^`]*`/#, with: ""))
        }
    }

    private static func links(in text: String) -> [String] {
        text.matches(of: #/\]\(([^)\s]+)\)/#).map { String($0.1) }
            + text.matches(of: #/^\[[^\]]+\]:\s+(\S+)/#).map { String($0.1) }
    }

    private static func leadsSomewhere(_ link: String, from file: Tree.File, in tree: Tree) -> Bool {
        if link.contains("://") || link.hasPrefix("mailto:") { return true }
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].isEmpty ? file.path : resolve(String(parts[0]), from: file.path)
        guard let path, path.isEmpty || tree.paths.contains(path) else { return false }
        guard parts.count == 2, let target = tree.files[path] else { return parts.count == 1 }
        return anchors(of: target).contains(String(parts[1]))
    }

    /// The path that a relative one means, from the root; `nil` when it leaves the repository.
    private static func resolve(_ link: String, from path: String) -> String? {
        var parts = path.split(separator: "/").dropLast()
        for part in link.split(separator: "/") where part != "." {
            if part == ".." {
                guard parts.popLast() != nil else { return nil }
            } else {
                parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }

    /// The anchors of a document's headings, as hosting sites make them.
    private static func anchors(of file: Tree.File) -> Set<String> {
        Set(
            file.lines.filter { $0.hasPrefix("#") }.map { line in
                line.drop { $0 == "#" || $0 == " " }.lowercased()
                    .filter { $0.isNamePart || $0 == "-" || $0 == " " }.replacing(" ", with: "-")
            }
        )
    }
}
