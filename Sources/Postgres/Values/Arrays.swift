extension Optional: Bindable where Wrapped: Bindable {
    /// The wrapped value's type.
    public static var type: OID { Wrapped.type }
    /// The wrapped value, or NULL.
    public var bind: Bind { self?.bind ?? Bind(Wrapped.type, nil) }
}

extension Optional: Column where Wrapped: Column {
    /// Reads the value, or `nil` for NULL.
    ///
    /// The type is not checked when the value is NULL: a statement may well select an untyped NULL.
    public init(from cell: Cell) throws(PostgresError) { self = cell.isNull ? nil : try Wrapped(from: cell) }
}

extension Optional: ArrayElement where Wrapped: Scalar {
    /// The type of the array of wrapped values.
    public static var arrayType: OID { Wrapped.arrayType }
    /// The array as a parameter, with NULLs.
    public static func bind(array: [Wrapped?]) -> Bind { encodeArray(array, as: Wrapped.self) }
    /// Reads an array that may hold NULLs.
    public static func array(from cell: Cell) throws(PostgresError) -> [Wrapped?] {
        try decodeArray(cell, as: Wrapped.self) { (cell) throws(PostgresError) in try Wrapped?(from: cell) }
    }
}

extension Scalar {
    /// The array as a parameter.
    public static func bind(array: [Self]) -> Bind { encodeArray(array, as: Self.self) }
    /// Reads an array that holds no NULL.
    public static func array(from cell: Cell) throws(PostgresError) -> [Self] {
        try decodeArray(cell, as: Self.self) { (cell) throws(PostgresError) in try Self(from: cell) }
    }
}

extension UInt8: ArrayElement {
    /// `bytea`: an array of bytes is no PostgreSQL array.
    public static var arrayType: OID { .bytea }
    /// The bytes as they are.
    public static func bind(array: [UInt8]) -> Bind { Bind(.bytea, array) }
    /// Reads a `bytea`.
    public static func array(from cell: Cell) throws(PostgresError) -> [UInt8] { [UInt8](try cell.bytes(.bytea)) }
}

extension Array: Bindable where Element: ArrayElement {
    /// The element's array type.
    public static var type: OID { Element.arrayType }
    /// The array as a parameter.
    public var bind: Bind { Element.bind(array: self) }
}

extension Array: Column where Element: ArrayElement {
    /// Reads a one-dimensional array, or a `bytea` for bytes.
    public init(from cell: Cell) throws(PostgresError) { self = try Element.array(from: cell) }
}

extension Array: ArrayElement, Scalar where Element == UInt8 {
    /// `bytea[]`.
    public static var arrayType: OID { .byteaArray }
}

/// The binary form of a one-dimensional array: dimensions, a NULL flag, the element type, then bounds and elements.
private func encodeArray<T: Scalar>(_ array: [some Bindable], as: T.Type) -> Bind {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(20 + array.count * 12)
    bytes.append(bigEndian: Int32(array.isEmpty ? 0 : 1))
    bytes.append(bigEndian: Int32(0))
    bytes.append(bigEndian: T.type.rawValue)
    if !array.isEmpty {
        bytes.append(bigEndian: Int32(array.count))
        bytes.append(bigEndian: Int32(1))
    }
    var hasNull = false
    for element in array {
        let bind = element.bind
        if bind.isInvalid { return .invalid(T.arrayType) }
        if let value = bind.bytes {
            bytes.append(bigEndian: Int32(value.count))
            bytes.append(contentsOf: value)
        } else {
            hasNull = true
            bytes.append(bigEndian: Int32(-1))
        }
    }
    if hasNull { bytes[7] = 1 }
    return Bind(T.arrayType, bytes)
}

private func decodeArray<T: Scalar, Element>(
    _ cell: Cell, as: T.Type, element: (Cell) throws(PostgresError) -> Element
) throws(PostgresError) -> [Element] {
    guard let bytes = cell.bytes, bytes.count >= 12 else { throw cell.bad }
    let dimensions: Int32 = bytes.integer()
    let type = OID(bytes.integer(at: 8))
    // The element type must be what this Swift type reads: an empty array has no element that would find out.
    guard cell.type == T.arrayType else { throw cell.bad }
    if dimensions == 0 { return [] }
    guard dimensions == 1, bytes.count >= 20 else { throw cell.bad }
    let count = Int(bytes.integer(at: 12, as: Int32.self))
    var result: [Element] = []
    result.reserveCapacity(count)
    var offset = 20
    for _ in 0..<count {
        guard offset + 4 <= bytes.count else { throw cell.bad }
        let length = Int(bytes.integer(at: offset, as: Int32.self))
        offset += 4
        var value: UnsafeRawBufferPointer?
        if length >= 0 {
            guard offset + length <= bytes.count else { throw cell.bad }
            value = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
            offset += length
        }
        result.append(try element(Cell(name: cell.name, type: type, bytes: value)))
    }
    return result
}
