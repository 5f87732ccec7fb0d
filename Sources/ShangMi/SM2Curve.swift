import COpenSSL

/// The curve of GM/T 0003.5.
enum SM2Curve {
    private static func group() throws(ShangMiError) -> Owned {
        try Owned(EC_GROUP_new_by_curve_name(NID_sm2), EC_GROUP_free)
    }

    /// Whether x ‖ y is a point of the curve.
    static func contains(_ coordinates: [UInt8]) -> Bool {
        guard coordinates.count == 64, let group = try? group(),
            let point = try? Owned(EC_POINT_new(group.pointer), EC_POINT_free)
        else { return false }
        defer { ERR_clear_error() }
        let encoded = [0x04] + coordinates
        return EC_POINT_oct2point(group.pointer, point.pointer, encoded, encoded.count, nil) == 1
    }

    /// The point that belongs to a private number, as 04 ‖ x ‖ y.
    ///
    /// - Throws: ``ShangMiError/invalidKey`` unless the number is from 1 to n − 2.
    static func point(of scalar: [UInt8]) throws(ShangMiError) -> [UInt8] {
        let group = try group()
        let number = try Owned(BN_bin2bn(scalar, Int32(scalar.count), nil), BN_clear_free)
        let limit = try Owned(BN_dup(EC_GROUP_get0_order(group.pointer)), BN_free)
        try succeed(BN_sub_word(limit.pointer, 1))
        guard BN_is_zero(number.pointer) == 0, BN_cmp(number.pointer, limit.pointer) < 0 else { throw .invalidKey }
        let point = try Owned(EC_POINT_new(group.pointer), EC_POINT_free)
        try succeed(EC_POINT_mul(group.pointer, point.pointer, number.pointer, nil, nil, nil))
        let encoded = [UInt8](unsafeUninitializedCapacity: 65) { buffer, initialized in
            initialized = EC_POINT_point2oct(
                group.pointer, point.pointer, POINT_CONVERSION_UNCOMPRESSED, buffer.baseAddress, buffer.count, nil)
        }
        try succeed(encoded.count == 65 ? 1 : 0)
        return encoded
    }
}
