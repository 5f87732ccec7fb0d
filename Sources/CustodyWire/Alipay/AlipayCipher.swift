import Crypto
import CryptoExtras
import Foundation

/// Content encryption (接口内容加密) as an application may switch it on: AES-CBC with an IV of zeros, in base64.
///
/// What is encrypted is signed as it is sent, so encryption hides content and proves nothing.
public struct AlipayCipher: Sendable {
    /// The content does not decrypt, or is no base64.
    public struct Defect: Error, Hashable, Sendable {}

    private let key: SymmetricKey

    /// Reads a key in base64, of 16, 24 or 32 bytes; nil for anything else.
    public init?(base64 key: String) {
        guard let bytes = Data(base64Encoded: key), [16, 24, 32].contains(bytes.count) else { return nil }
        self.key = SymmetricKey(data: bytes)
    }

    /// Encrypts a text.
    public func seal(_ text: String) throws(Defect) -> String {
        guard let sealed = try? AES._CBC.encrypt(Data(text.utf8), using: key, iv: iv()) else { throw Defect() }
        return sealed.base64EncodedString()
    }

    /// Decrypts what ``seal(_:)`` made.
    public func open(_ base64: String) throws(Defect) -> [UInt8] {
        guard let sealed = Data(base64Encoded: base64), !sealed.isEmpty,
            let opened = try? AES._CBC.decrypt(sealed, using: key, iv: iv())
        else { throw Defect() }
        return Array(opened)
    }

    private func iv() throws -> AES._CBC.IV { try AES._CBC.IV(ivBytes: [UInt8](repeating: 0, count: 16)) }
}
