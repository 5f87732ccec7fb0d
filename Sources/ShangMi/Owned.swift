import COpenSSL

/// Why something could not be read, signed, verified, encrypted or decrypted.
public enum ShangMiError: Error, Hashable, Sendable {
    /// Not a key, or one on another curve than SM2's.
    case invalidKey
    /// Not the ciphertext it should be, tampered with, or encrypted to another key.
    case invalidCiphertext
    /// OpenSSL failed: no memory, or a build of it without these algorithms.
    case library
}

/// An object of OpenSSL's, freed when it goes out of scope, also by an error.
struct Owned: ~Copyable {
    let pointer: OpaquePointer
    private let free: (OpaquePointer?) -> Void

    /// Takes what a constructor returned.
    init(
        _ pointer: OpaquePointer?, _ free: @escaping (OpaquePointer?) -> Void, or error: ShangMiError = .library
    ) throws(ShangMiError) {
        guard let pointer else {
            ERR_clear_error()
            throw error
        }
        self.pointer = pointer
        self.free = free
    }

    deinit { free(pointer) }
}

/// Returns if OpenSSL's answer is 1; its queue of errors is left empty for whoever comes next on this thread.
func succeed(_ result: Int32, or error: ShangMiError = .library) throws(ShangMiError) {
    guard result == 1 else {
        ERR_clear_error()
        throw error
    }
}

/// Fills bytes through a call that is first asked how many there will be.
func filled(
    or error: ShangMiError = .library, _ call: (UnsafeMutablePointer<UInt8>?, inout Int) -> Int32
) throws(ShangMiError) -> [UInt8] {
    var count = 0
    try succeed(call(nil, &count), or: error)
    var result: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        var written = buffer.count
        result = call(buffer.baseAddress, &written)
        initialized = result == 1 ? min(written, buffer.count) : 0
    }
    try succeed(result, or: error)
    return bytes
}
