import Crypto
import CustodyDomain
import Foundation

/// Keeps personal data and secrets: a data key per tenant, wrapped by the deployment's key-encryption key.
///
/// The key-encryption key comes from a file and never reaches the database, so a copy of the database alone reads nothing.
public struct Vault: Sendable {
    private let master: SymmetricKey

    /// Opens the vault with the deployment's key-encryption key.
    ///
    /// - Parameter master: 32 bytes.
    /// - Throws: ``VaultError/badKey`` for another length.
    public init(master: [UInt8]) throws(VaultError) {
        guard master.count == 32 else { throw .badKey }
        self.master = SymmetricKey(data: master)
    }

    /// Makes and wraps a new tenant's data key.
    func newTenantKey() throws -> [UInt8] {
        Array(try AES.KeyWrap.wrap(SymmetricKey(size: .bits256), using: derived("wrap")))
    }

    /// Unwraps a tenant's data key.
    func keys(of tenantID: ID<Tenant>, wrapped: [UInt8]) throws -> TenantKeys {
        guard let key = try? AES.KeyWrap.unwrap(Data(wrapped), using: derived("wrap")) else { throw VaultError.badKey }
        return TenantKeys(tenantID: tenantID, key: key)
    }

    /// The stored form of an API key: HMAC-SHA-256 under a key that is not in the database.
    func hash(ofAPIKey key: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Data(key.utf8), using: derived("api-key")))
    }

    /// Encrypts what an admin was answered (AES-256-GCM), bound to the request's key.
    func sealAnswer(_ body: [UInt8], to key: String) throws -> [UInt8] {
        let box = try AES.GCM.seal(Data(body), using: derived("admin-answer"), authenticating: Data(key.utf8))
        guard let combined = box.combined else { throw VaultError.tampered }
        return Array(combined)
    }

    /// Decrypts what an admin was answered.
    func openAnswer(_ sealed: [UInt8], to key: String) throws -> [UInt8] {
        guard let box = try? AES.GCM.SealedBox(combined: Data(sealed)),
            let body = try? AES.GCM.open(box, using: derived("admin-answer"), authenticating: Data(key.utf8))
        else { throw VaultError.tampered }
        return Array(body)
    }

    private func derived(_ purpose: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: master, info: Data("custody/\(purpose)".utf8), outputByteCount: 32)
    }
}

/// Why something could not be read from the vault. Never says what.
public enum VaultError: Error, Sendable {
    /// The key is not the one it was sealed with, or of the wrong length.
    case badKey
    /// The sealed bytes were changed, or moved to another row or column.
    case tampered
}

/// What seals and opens one tenant's fields.
struct TenantKeys: Sendable {
    let tenantID: ID<Tenant>
    let key: SymmetricKey

    /// Encrypts a field (AES-256-GCM). The place is bound in, so that a sealed value cannot be moved elsewhere.
    func seal(_ plaintext: [UInt8], in place: String, of row: UUIDv7) throws -> [UInt8] {
        let box = try AES.GCM.seal(
            Data(plaintext), using: derived("field"), authenticating: context(place, row)
        )
        guard let combined = box.combined else { throw VaultError.tampered }
        return Array(combined)
    }

    /// Decrypts a field.
    func open(_ sealed: [UInt8], in place: String, of row: UUIDv7) throws -> [UInt8] {
        guard let box = try? AES.GCM.SealedBox(combined: Data(sealed)),
            let plaintext = try? AES.GCM.open(box, using: derived("field"), authenticating: context(place, row))
        else { throw VaultError.tampered }
        return Array(plaintext)
    }

    /// A keyed hash by which equal values of one tenant and column are found without decrypting any.
    func blindIndex(of value: String, in column: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Data((column + "\n" + value).utf8), using: derived("index")))
    }

    private func derived(_ purpose: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: key, info: Data("custody/\(purpose)".utf8), outputByteCount: 32)
    }

    private func context(_ place: String, _ row: UUIDv7) -> Data {
        Data("\(tenantID.uuid.text)/\(place)/\(row.text)".utf8)
    }
}
