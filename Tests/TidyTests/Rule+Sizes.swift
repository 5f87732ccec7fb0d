extension Rule {
    static let sizeRules: [Rule] = [
        Rule(
            "a file holds one idea: 400 lines at most",
            keeps: ["Sources/CustodyAPI/A.swift": String(repeating: "\n", count: 400)],
            breaks: ["Sources/CustodyAPI/B.swift": String(repeating: "\n", count: 401)]
        ) { tree in
            tree.files(ending: ".swift", in: ["Sources"]).compactMap { file in
                let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
                return count <= 400
                    ? nil : Violation(path: file.path, line: 401, message: "\(count) lines: divide it by ideas")
            }
        },
        Rule(
            "a function fits on a screen: 60 lines of code at most",
            keeps: ["Sources/CustodyAPI/A.swift": function(lines: 60) + "\n" + function(lines: 60)],
            breaks: [
                "Sources/CustodyAPI/B.swift": function(lines: 61),
                "Sources/CustodyAPI/C.swift": "struct C {\n    init?(\n"
                    + function(lines: 61, head: "    ) async throws(E)"),
            ]
        ) { tree in
            tree.files(ending: ".swift", in: ["Sources"]).flatMap { file in
                functions(in: file.swift?.code ?? []).filter { $0.count > 60 }.map {
                    Violation(path: file.path, line: $0.line, message: "a function of \($0.count) lines: divide it")
                }
            }
        },
    ]

    /// A function of so many lines.
    private static func function(lines: Int, head: String = "func f(_ g: () -> Void = {}) -> [Int]") -> String {
        head + " {\n" + String(repeating: "    g(); if a { b() }\n", count: lines - 2) + "}"
    }

    /// The functions and initialisers that have a body, with their first line and their number of lines of code.
    ///
    /// A statement of SQL is one thing, however many lines it has: lines that hold nothing but its text do not count.
    static func functions(in code: [String]) -> [(line: Int, count: Int)] {
        code.indices.compactMap { start in
            guard code[start].contains(#/(^|\s)(func\s+\S|init[?]?\s*[(<]|deinit\s*\{|subscript\s*[(<])/#),
                !code[start].contains(#/[.]init/#), let end = endOfBody(in: code, from: start)
            else { return nil }
            return (start + 1, code[start...end].count { $0.contains { $0 != " " } })
        }
    }

    /// The line where the body of a declaration ends that begins on a line; `nil` when it has no body.
    private static func endOfBody(in code: [String], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in start..<code.count {
            // A declaration without a body ends where the next line begins something else.
            if index > start, braces == 0, parentheses == 0,
                !code[index].contains(#/^\s*([{)]|->|where\b|async\b|throws\b|rethrows\b)/#)
            {
                return nil
            }
            for character in code[index].utf8 {
                switch character {
                case UInt8(ascii: "("), UInt8(ascii: "["): if braces == 0 { parentheses += 1 }
                case UInt8(ascii: ")"), UInt8(ascii: "]"): if braces == 0 { parentheses -= 1 }
                case UInt8(ascii: "{"): if parentheses == 0 { braces += 1 }
                case UInt8(ascii: "}"):
                    guard parentheses == 0 else { continue }
                    braces -= 1
                    if braces <= 0 { return braces == 0 ? index : nil }
                default: continue
                }
            }
        }
        return nil
    }
}
