/// `application/x-www-form-urlencoded`, as queries, Alipay's requests and its notifications are written.
///
/// Source: WHATWG URL, 5; a space is `+`. Stricter than that: what cannot be read, or could be read in two ways, is refused.
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
        /// A `%` without two hexadecimal digits behind it, or bytes outside of escapes that are not UTF-8.
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

    private static func escape(_ text: String) -> String {
        PercentEncoding.encoded(text).replacing("%20", with: "+")
    }

    private static func unescape(_ part: ArraySlice<UInt8>) throws(Defect) -> String {
        guard let text = String(validating: part, as: UTF8.self),
            let bytes = PercentEncoding.decodedBytes(text, plusIsSpace: true)
        else { throw .badEscape }
        guard let value = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw .badText }
        return value
    }
}
