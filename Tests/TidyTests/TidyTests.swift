import Testing

@Suite struct TidyTests {
    @Test(arguments: Rule.all) func `the repository keeps the rule`(_ rule: Rule) throws {
        let tree = try Tree.repository.get()
        try #require(tree.paths.contains("Sources/CustodyDomain/Money/Fen.swift"))
        #expect(rule.violations(tree).map(\.description).sorted() == [])
    }

    @Test(arguments: Rule.all) func `the rule would be noticed if it were broken`(_ rule: Rule) {
        try? #require(!rule.breaks.isEmpty)
        for (path, text) in rule.breaks {
            #expect(!rule.violations(Tree([path: text])).isEmpty, "\(path): \(text.prefix(200))")
        }
    }

    @Test(arguments: Rule.all) func `the rule lets pass what keeps it`(_ rule: Rule) {
        #expect(rule.violations(Tree(rule.keeps)).map(\.description) == [])
    }

    @Test func `every sort of target in the graph exists in the manifest, with nothing missing`() throws {
        let declared = Rule.declaredDependencies(try Tree.repository.get().files["Package.swift"])
        for target in Rule.graph.keys { #expect(declared[target] == Rule.graph[target], "\(target)") }
    }
}

@Suite struct SwiftTextTests {
    @Test func `comments, strings and raw identifiers are no code`() {
        let text = SwiftText(
            """
            let a = "x" // y
            /* z /* nested */ z */ let b = #"q " q"#
            func `w w`() {}
            """
        )
        #expect(text.code[0].trimmed == "let a = \" \"")
        #expect(text.code[1].trimmed == "let b = #\"     \"#")
        #expect(text.code[2] == "func `   `() {}")
    }

    @Test func `what is interpolated is code, and the string goes on after it`() {
        let text = SwiftText(#"let a = "p \(f("q", (r))) s \" t"; let u = 1"#)
        #expect(text.code[0].hasSuffix(#"f(" ", (r)))       "; let u = 1"#))
        #expect(text.strings[0].trimmed.split(separator: " ") == ["p", "q", "s", #"\""#, "t"])
    }

    @Test func `a string of several lines keeps them`() {
        let text = SwiftText("let a = \"\"\"\n    SELECT \"b\"\n    \\(c)\n    \"\"\"\nlet d = 1")
        #expect(text.code.count == 5)
        #expect(text.strings[1] == "    SELECT \"b\"")
        #expect(text.code[2].trimmed == "\\(c)")
        #expect(text.code[4] == "let d = 1")
    }
}

@Suite struct FunctionTests {
    @Test func `a requirement without a body is no function, and what follows is not taken for its body`() {
        let code = ["protocol P {", "    func a(", "        b: Int", "    ) async", "    var c: Int { get }", "}"]
        #expect(Rule.functions(in: code).isEmpty)
    }

    @Test func `a body is counted from the declaration to its closing brace`() {
        let code = ["struct S {", "    func a(", "        b: Int", "    )", "        -> Int", "    {", "    }", "}"]
        let found = Rule.functions(in: code)
        #expect(found.map(\.line) == [2])
        #expect(found.map(\.count) == [6])
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}
