/// Galois/counter mode (NIST SP 800-38D), which OpenSSL has for SM4 only from 3.1 on: made of its blocks and a hash.
extension SM4 {
    /// Encrypts and authenticates.
    ///
    /// - Parameters:
    ///   - nonce: Never used twice under one key; 12 bytes unless the protocol says otherwise.
    ///   - associatedData: Authenticated, not encrypted.
    /// - Returns: As many bytes as the plaintext, and a tag of 16.
    public func sealGCM(
        _ plaintext: [UInt8], nonce: [UInt8], associatedData: [UInt8]
    ) throws(ShangMiError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        let hash = GaloisHash(key: try encryptBlocks([UInt8](repeating: 0, count: 16)))
        let start = SM4.firstCounter(nonce, hash)
        let ciphertext = try applyingCounters(from: start, to: plaintext)
        return (ciphertext, try tag(hash, start, associatedData, ciphertext))
    }

    /// Decrypts what ``sealGCM(_:nonce:associatedData:)`` made; nothing is decrypted before its tag is right.
    public func openGCM(
        _ ciphertext: [UInt8], tag: [UInt8], nonce: [UInt8], associatedData: [UInt8]
    ) throws(ShangMiError) -> [UInt8] {
        let hash = GaloisHash(key: try encryptBlocks([UInt8](repeating: 0, count: 16)))
        let start = SM4.firstCounter(nonce, hash)
        let expected = try self.tag(hash, start, associatedData, ciphertext)
        // Compared whole, so that the time says nothing about how much of it is right.
        guard tag.count == 16, zip(tag, expected).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0 else {
            throw .invalidCiphertext
        }
        return try applyingCounters(from: start, to: ciphertext)
    }

    private func tag(
        _ hash: GaloisHash, _ start: [UInt8], _ associatedData: [UInt8], _ ciphertext: [UInt8]
    ) throws(ShangMiError) -> [UInt8] {
        let mask = try encryptBlocks(start)
        return zip(hash.hash(associatedData, ciphertext), mask).map { $0 ^ $1 }
    }

    /// J0 of the standard.
    private static func firstCounter(_ nonce: [UInt8], _ hash: GaloisHash) -> [UInt8] {
        nonce.count == 12 ? nonce + [0, 0, 0, 1] : hash.hash([], nonce)
    }

    /// The key stream starts with the counter after the first; only the last four bytes count, and wrap.
    private func applyingCounters(from start: [UInt8], to text: [UInt8]) throws(ShangMiError) -> [UInt8] {
        guard !text.isEmpty else { return [] }
        var counter = start[12...].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        var blocks: [UInt8] = []
        blocks.reserveCapacity(text.count + 16)
        for _ in 0..<((text.count + 15) / 16) {
            counter &+= 1
            blocks += start[..<12]
            blocks += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: counter >> $0) }
        }
        return zip(text, try encryptBlocks(blocks)).map { $0 ^ $1 }
    }
}

/// GHASH: a polynomial over GF(2^128) at the point that is the encrypted zero block.
private struct GaloisHash {
    private let high: UInt64
    private let low: UInt64

    init(key: [UInt8]) { (high, low) = GaloisHash.block(key[...]) }

    /// The hash of associated data and ciphertext, each filled up to a whole block, and their lengths in bits.
    func hash(_ associatedData: [UInt8], _ ciphertext: [UInt8]) -> [UInt8] {
        var y: (high: UInt64, low: UInt64) = (0, 0)
        for text in [associatedData, ciphertext] {
            for start in stride(from: 0, to: text.count, by: 16) {
                let block = GaloisHash.block(text[start..<min(start + 16, text.count)])
                y = multiplied((y.high ^ block.high, y.low ^ block.low))
            }
        }
        y = multiplied((y.high ^ UInt64(associatedData.count) * 8, y.low ^ UInt64(ciphertext.count) * 8))
        return [y.high, y.low].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
    }

    private static func block(_ bytes: ArraySlice<UInt8>) -> (high: UInt64, low: UInt64) {
        var words: (UInt64, UInt64) = (0, 0)
        for (index, byte) in bytes.enumerated() {
            let shift = UInt64(56 - 8 * (index % 8))
            if index < 8 { words.0 |= UInt64(byte) << shift } else { words.1 |= UInt64(byte) << shift }
        }
        return words
    }

    /// Bit by bit with masks in place of branches and tables, so that the time does not depend on the key.
    private func multiplied(_ x: (high: UInt64, low: UInt64)) -> (high: UInt64, low: UInt64) {
        var z: (high: UInt64, low: UInt64) = (0, 0)
        var v = (high: high, low: low)
        for bit in 0..<128 {
            let word = bit < 64 ? x.high : x.low
            let mask = 0 &- ((word >> UInt64(63 - bit % 64)) & 1)
            z.high ^= v.high & mask
            z.low ^= v.low & mask
            let carry = 0 &- (v.low & 1)
            v.low = v.low >> 1 | v.high << 63
            v.high = v.high >> 1 ^ (0xE100_0000_0000_0000 & carry)
        }
        return z
    }
}
