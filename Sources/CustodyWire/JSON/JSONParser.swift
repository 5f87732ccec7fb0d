/// Why a text is not the JSON we accept.
public struct JSONError: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Reason: String, Sendable {
        /// Not JSON at that place.
        case malformed
        /// Ends too early.
        case truncated
        /// Something follows the value.
        case trailingBytes
        /// An object names a member twice: readers would disagree which one counts.
        case duplicateName
        /// A string holds U+0000, which PostgreSQL cannot store.
        case nul
        /// Bytes that are not UTF-8, or half of a surrogate pair.
        case badUnicode
        /// Deeper than ``JSON/depthLimit``.
        case tooDeep
    }

    /// What is wrong.
    public let reason: Reason
    /// Where: the count of bytes before it.
    public let offset: Int
}

extension JSON {
    /// How deep arrays and objects may be nested.
    public static let depthLimit = 32

    /// Reads one JSON value (RFC 8259), strictly.
    ///
    /// Refused beyond the standard: duplicate names, U+0000, lone surrogates, a byte-order mark, nesting over
    /// ``depthLimit``.
    public init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        var parser = JSONParser(bytes: Array(bytes))
        self = try parser.document()
    }

    /// Reads one JSON value of text, strictly.
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: text.utf8) }
}

private struct JSONParser {
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONError) -> JSON {
        skipSpace()
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw failure(.trailingBytes) }
        return value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        guard depth <= JSON.depthLimit else { throw failure(.tooDeep) }
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        offset += 1
        var members: [JSON.Member] = []
        var names: Set<String> = []
        skipSpace()
        if try peek() == UInt8(ascii: "}") {
            offset += 1
            return .object([])
        }
        while true {
            skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw failure(.malformed) }
            let start = offset
            let name = try string()
            guard names.insert(name).inserted else { throw JSONError(reason: .duplicateName, offset: start) }
            skipSpace()
            guard try peek() == UInt8(ascii: ":") else { throw failure(.malformed) }
            offset += 1
            skipSpace()
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            if try closes(UInt8(ascii: "}")) { return .object(members) }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        offset += 1
        var elements: [JSON] = []
        skipSpace()
        if try peek() == UInt8(ascii: "]") {
            offset += 1
            return .array([])
        }
        while true {
            skipSpace()
            elements.append(try value(depth: depth + 1))
            if try closes(UInt8(ascii: "]")) { return .array(elements) }
        }
    }

    /// Reads the comma or the closing byte after an element.
    private mutating func closes(_ end: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        let byte = try peek()
        guard byte == end || byte == UInt8(ascii: ",") else { throw failure(.malformed) }
        offset += 1
        return byte == end
    }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        let start = offset
        // Most strings have no escape: take them whole.
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
            guard bytes[offset] >= 0x20 else { throw failure(bytes[offset] == 0 ? .nul : .malformed) }
            offset += 1
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
            defer { offset += 1 }
            return try text(bytes[start..<offset], at: start)
        }
        var result = Array(bytes[start..<offset])
        while true {
            let byte = try peek()
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(result[...], at: start)
            case UInt8(ascii: "\\"): try escape(into: &result)
            case 0..<0x20:
                offset -= 1
                throw failure(byte == 0 ? .nul : .malformed)
            default: result.append(byte)
            }
        }
    }

    private func text(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw JSONError(reason: .badUnicode, offset: start)
        }
        return text
    }

    private mutating func escape(into result: inout [UInt8]) throws(JSONError) {
        let byte = try peek()
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            var code = try fourHexDigits()
            if (0xD800..<0xDC00).contains(code) {
                guard try peek() == UInt8(ascii: "\\") else { throw failure(.badUnicode) }
                offset += 1
                guard try peek() == UInt8(ascii: "u") else { throw failure(.badUnicode) }
                offset += 1
                let low = try fourHexDigits()
                guard (0xDC00..<0xE000).contains(low) else { throw failure(.badUnicode) }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard code != 0 else { throw failure(.nul) }
            guard let scalar = Unicode.Scalar(code) else { throw failure(.badUnicode) }
            result.append(contentsOf: String(Character(scalar)).utf8)
        default:
            offset -= 1
            throw failure(.malformed)
        }
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek()
            switch byte {
            case 48...57: code = code << 4 | UInt32(byte - 48)
            case 97...102: code = code << 4 | UInt32(byte - 87)
            case 65...70: code = code << 4 | UInt32(byte - 55)
            default: throw failure(.malformed)
            }
            offset += 1
        }
        return code
    }

    private mutating func number() throws(JSONError) -> String {
        let start = offset
        if try peek() == UInt8(ascii: "-") { offset += 1 }
        if try peek() == UInt8(ascii: "0") { offset += 1 } else { try digits() }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits()
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            let sign = try peek()
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func digits() throws(JSONError) {
        guard (48...57).contains(try peek()) else { throw failure(.malformed) }
        while offset < bytes.count, (48...57).contains(bytes[offset]) { offset += 1 }
    }

    private mutating func literal(_ word: StaticString, _ result: JSON) throws(JSONError) -> JSON {
        for index in 0..<word.utf8CodeUnitCount {
            guard try peek() == word.utf8Start[index] else { throw failure(.malformed) }
            offset += 1
        }
        return result
    }

    private func peek() throws(JSONError) -> UInt8 {
        guard offset < bytes.count else { throw failure(.truncated) }
        return bytes[offset]
    }

    private mutating func skipSpace() {
        while offset < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[offset]) { offset += 1 }
    }

    private func failure(_ reason: JSONError.Reason) -> JSONError { JSONError(reason: reason, offset: offset) }
}
