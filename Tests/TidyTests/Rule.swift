import Testing

/// A rule that every file of the repository keeps, and files that break it.
struct Rule: CustomTestStringConvertible {
    /// Where a rule is broken, and what to do about it.
    struct Violation: CustomStringConvertible {
        let path: String
        let line: Int
        let message: String

        var description: String { "\(path):\(line): \(message)" }
    }

    /// The rule, as a sentence.
    let sentence: String
    /// Files that keep it, though they look as if they might not.
    let keeps: [String: String]
    /// Files each of which breaks it.
    let breaks: [String: String]
    /// Finds where a tree breaks it.
    let violations: @Sendable (Tree) -> [Violation]

    var testDescription: String { sentence }

    /// A rule that is checked by looking at the whole tree.
    init(
        _ sentence: String, keeps: [String: String], breaks: [String: String],
        violations: @escaping @Sendable (Tree) -> [Violation]
    ) {
        self.sentence = sentence
        self.keeps = keeps
        self.breaks = breaks
        self.violations = violations
    }

    /// What of a file a line rule looks at.
    enum Part {
        /// The file as it is.
        case text
        /// Swift without comments and strings.
        case code
        /// The insides of Swift's string literals.
        case strings
    }

    /// A rule that is checked line by line: where `isBad` is true, the message says what to do instead.
    init(
        _ sentence: String, in part: Part, instead: String, keeps: [String: String], breaks: [String: String],
        files: @escaping @Sendable (Tree.File) -> Bool, isBad: @escaping @Sendable (String) -> Bool
    ) {
        self.init(sentence, keeps: keeps, breaks: breaks) { tree in
            tree.files.values.filter(files).flatMap { file in
                Rule.lines(of: part, in: file).enumerated().filter { isBad($0.element) }
                    .map { Violation(path: file.path, line: $0.offset + 1, message: instead) }
            }
        }
    }

    private static func lines(of part: Part, in file: Tree.File) -> [String] {
        switch part {
        case .text: file.lines
        case .code: file.swift?.code ?? []
        case .strings: file.swift?.strings ?? []
        }
    }

    /// Every rule.
    static let all: [Rule] = importRules + codeRules + sizeRules + repositoryRules + documentRules
}

extension String {
    /// Whether a word stands in it, not as a part of a longer name.
    func hasWord(_ word: String) -> Bool {
        var rest = self[...]
        while let range = rest.firstRange(of: word) {
            let before = range.lowerBound == startIndex ? nil : self[index(before: range.lowerBound)]
            let after = range.upperBound == endIndex ? nil : self[range.upperBound]
            let startsWord = !(word.first?.isNamePart ?? false) || !(before?.isNamePart ?? false)
            let endsWord = !(word.last?.isNamePart ?? false) || !(after?.isNamePart ?? false)
            if startsWord && endsWord { return true }
            rest = self[range.upperBound...]
        }
        return false
    }
}

extension Character {
    /// Whether it may be part of a Swift name.
    var isNamePart: Bool { isLetter || isNumber || self == "_" }
}
