/// `application/x-www-form-urlencoded`, as the gateway's requests and the notifications are written.
///
/// Source: WHATWG URL, 5; a space is `+`, and everything but letters, digits and `*-._` is percent-encoded.
public enum URLForm {
    /// A name and its value, decoded.
    public struct Field: Hashable, Sendable {
        /// The field's name.
        public let name: String
        /// The field's value.
        public let value: String

        /// Makes a field.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Why a body is no form that we accept.
    public enum Defect: Error, Hashable, Sendable {
        /// A `%` without two hexadecimal digits behind it.
        case badEscape
        /// Not UTF-8, or U+0000.
        case badText
        /// A name twice: readers would disagree which one counts.
        case duplicateName(String)
        /// More than ``URLForm/fieldLimit`` fields.
        case tooManyFields
    }

    /// How many fields a form may have.
    public static let fieldLimit = 256

    /// Writes fields in their order.
    public static func encode(_ fields: [Field]) -> String {
        fields.map { "\(escape($0.name))=\(escape($0.value))" }.joined(separator: "&")
    }

    /// Reads fields in their order, strictly.
    public static func decode(_ body: some Sequence<UInt8>) throws(Defect) -> [Field] {
        let bytes = Array(body)
        guard !bytes.isEmpty else { return [] }
        var fields: [Field] = []
        var names: Set<String> = []
        for part in bytes.split(separator: UInt8(ascii: "&")) {
            let cut = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            let name = try unescape(part[..<cut])
            let value = try unescape(part[cut...].dropFirst())
            guard names.insert(name).inserted else { throw .duplicateName(name) }
            guard fields.count < fieldLimit else { throw .tooManyFields }
            fields.append(Field(name, value))
        }
        return fields
    }

    /// Writes one value.
    public static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var output: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "*"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"):
                output.append(byte)
            case UInt8(ascii: " "): output.append(UInt8(ascii: "+"))
            default: output += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func unescape(_ part: ArraySlice<UInt8>) throws(Defect) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(part.count)
        var index = part.startIndex
        while index < part.endIndex {
            switch part[index] {
            case UInt8(ascii: "+"):
                output.append(UInt8(ascii: " "))
                index += 1
            case UInt8(ascii: "%"):
                guard index + 2 < part.endIndex, let high = nibble(part[index + 1]), let low = nibble(part[index + 2])
                else { throw .badEscape }
                output.append(high << 4 | low)
                index += 3
            default:
                output.append(part[index])
                index += 1
            }
        }
        guard let text = String(validating: output, as: UTF8.self), !output.contains(0) else { throw .badText }
        return text
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
