/// An answer of the gateway whose signature was verified over the raw bytes of its node.
public struct AlipayResponse: Sendable {
    /// Why an answer says nothing.
    public enum Defect: Error, Hashable, Sendable {
        /// No bytes at all.
        case empty
        /// Not the JSON that the gateway writes: an HTML page of something in between, say.
        case malformed
        /// Neither the method's node nor `error_response`.
        case noNode
        /// No `sign`.
        case unsigned
        /// A `sign` that is not Alipay's over the node.
        case badSignature
        /// Signed under an `alipay_cert_sn` that is none of the link's certificates.
        case unknownCertificate
    }

    /// The node's value.
    public let node: JSON
    /// `10000` for success; see ``subCode`` otherwise.
    public let code: String
    /// The business error, such as `ACQ.TRADE_NOT_EXIST`.
    public let subCode: String?
    /// The error's sentence.
    public let message: String

    /// Verifies and reads the answer to a method.
    ///
    /// The signed text is the node's value as it stands in the body (slashes arrive as `\/`), found by a scan that knows
    /// strings and escapes; what stands beside it (`alipay_cert_sn` in certificate mode) is not signed. An encrypted node
    /// is a string, signed with its quotes, and decrypted with the link's key.
    public init(verifying body: [UInt8], method: String, keys: AlipayKeys) throws(Defect) {
        guard !body.isEmpty else { throw .empty }
        var scanner = TopLevelScanner(bytes: body)
        guard let members = scanner.members() else { throw .malformed }
        let name = method.replacing(".", with: "_") + "_response"
        guard let range = members[name] ?? members["error_response"] else { throw .noNode }
        guard let signRange = members["sign"], case .string(let sign)? = try? JSON(parsing: body[signRange]) else {
            throw .unsigned
        }
        var certificate: String?
        if let range = members["alipay_cert_sn"] {
            guard case .string(let serial)? = try? JSON(parsing: body[range]) else { throw .malformed }
            certificate = serial
        }
        switch keys.isValid(base64: sign, for: body[range], certificate: certificate) {
        case true?: break
        case false?: throw .badSignature
        case nil: throw .unknownCertificate
        }
        var value = try? JSON(parsing: body[range])
        if case .string(let sealed)? = value {
            guard let content = try? keys.cipher?.open(sealed) else { throw .malformed }
            value = try? JSON(parsing: content)
        }
        guard let node = value, let code = node["code"]?.string else { throw .malformed }
        self.node = node
        self.code = code
        subCode = node["sub_code"]?.string
        message = node["sub_msg"]?.string ?? node["msg"]?.string ?? ""
    }

    /// Writes a signed answer as the gateway does, slashes escaped: what the simulator sends.
    ///
    /// - Parameters:
    ///   - certificate: The signer's `alipay_cert_sn`, in certificate mode.
    ///   - cipher: Encrypts the node, where the request was encrypted.
    public static func body(
        node: JSON, name: String, signer: RSASigner, certificate: String? = nil, cipher: AlipayCipher? = nil
    ) throws -> [UInt8] {
        let text = node.text.replacing("/", with: "\\/")
        let value = Array((try cipher.map { "\"\(try $0.seal(node.text))\"" } ?? text).utf8)
        let sign = try signer.base64Signature(of: value)
        let serial = certificate.map { ",\"alipay_cert_sn\":\"\($0)\"" } ?? ""
        return Array("{\"\(name)\":".utf8) + value + Array("\(serial),\"sign\":\"\(sign)\"}".utf8)
    }
}

/// Finds the raw extent of each member of an object, without reading the values.
private struct TopLevelScanner {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The extents by name; nil when the bytes are no object, or name a member twice.
    mutating func members() -> [String: Range<Int>]? {
        var found: [String: Range<Int>] = [:]
        guard take("{") else { return nil }
        repeat {
            skipSpace()
            let start = offset
            guard skipString() else { return nil }
            let name = String(decoding: bytes[(start + 1)..<(offset - 1)], as: UTF8.self)
            guard take(":") else { return nil }
            skipSpace()
            let value = offset
            guard skipValue(), found.updateValue(value..<offset, forKey: name) == nil else { return nil }
        } while take(",")
        guard take("}") else { return nil }
        skipSpace()
        return offset == bytes.count ? found : nil
    }

    private mutating func skipValue() -> Bool {
        guard offset < bytes.count else { return false }
        switch bytes[offset] {
        case UInt8(ascii: "\""): return skipString()
        case UInt8(ascii: "{"), UInt8(ascii: "["): return skipNested()
        default:
            let start = offset
            while offset < bytes.count, !",}] \n\r\t".utf8.contains(bytes[offset]) { offset += 1 }
            return offset > start
        }
    }

    private mutating func skipNested() -> Bool {
        var depth = 0
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                guard skipString() else { return false }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            offset += 1
            if depth == 0 { return true }
        }
        return false
    }

    private mutating func skipString() -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else { return false }
        offset += 1
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\\"): offset += 2
            case UInt8(ascii: "\""):
                offset += 1
                return true
            default: offset += 1
            }
        }
        return false
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func skipSpace() {
        while offset < bytes.count, " \n\r\t".utf8.contains(bytes[offset]) { offset += 1 }
    }
}
