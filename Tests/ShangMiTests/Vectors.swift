import Foundation
import Testing

@testable import ShangMi

/// The cases of `vectors/sm.json`, made by gmssl, the openssl command and cryptography.
struct Vectors {
    /// One case: its members are text, or true and false.
    struct Case: CustomTestStringConvertible, Sendable {
        let texts: [String: String]
        let isValid: Bool?

        var testDescription: String { texts["name"] ?? texts["mode"] ?? texts["layout"] ?? "" }

        subscript(_ name: String) -> String? { texts[name] }

        func text(_ name: String) throws -> String { try #require(texts[name]) }

        func hexadecimal(_ name: String) throws -> [UInt8] {
            try #require(SM2Key.bytes(hexadecimal: try text(name)))
        }

        func base64(_ name: String) throws -> [UInt8] { Array(try #require(Data(base64Encoded: try text(name)))) }

        /// Bytes that stand in UTF-8, base64 or hexadecimal, whichever is there.
        func bytes(_ name: String) throws -> [UInt8] {
            if let text = texts[name + "_utf8"] { return Array(text.utf8) }
            return try texts[name + "_base64"] == nil ? hexadecimal(name + "_hex") : base64(name + "_base64")
        }
    }

    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/vectors")

    static func cases(_ list: String) -> [Case] {
        guard let data = try? Data(contentsOf: fixtures.appending(path: "sm.json")),
            let file = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let cases = file[list] as? [[String: Any]]
        else { return [] }
        return cases.map { members in
            Case(texts: members.compactMapValues { $0 as? String }, isValid: members["valid"] as? Bool)
        }
    }

    static func key(_ name: String) throws -> String {
        try String(contentsOf: fixtures.appending(path: name), encoding: .utf8)
    }
}
