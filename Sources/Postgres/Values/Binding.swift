/// A parameter as it travels: its type and its binary form.
///
/// Why binary: it spares both sides the parsing, is exact, and needs no escaping for bytes and arrays.
public struct Bind: Sendable {
    /// The type the server is told.
    public let type: OID
    /// The binary form; `nil` is NULL.
    public let bytes: [UInt8]?
    /// True when the value cannot be expressed in PostgreSQL (text with a NUL, a date out of range): it is refused unsent.
    public let isInvalid: Bool

    /// Makes a parameter from a type's binary form; `nil` is NULL.
    public init(_ type: OID, _ bytes: [UInt8]?) {
        self.type = type
        self.bytes = bytes
        isInvalid = false
    }

    private init(invalid type: OID) {
        self.type = type
        bytes = nil
        isInvalid = true
    }

    /// Makes a parameter that is refused with ``PostgresError/Kind/invalidParameter`` before anything is sent.
    public static func invalid(_ type: OID) -> Bind { Bind(invalid: type) }
}

/// A value that may be interpolated into ``SQL``.
public protocol Bindable: Sendable {
    /// The type the server is told.
    static var type: OID { get }
    /// The value as a parameter.
    var bind: Bind { get }
}

/// A value that may be read from a column.
public protocol Column: Sendable {
    /// Reads the value.
    ///
    /// - Throws: ``PostgresError/Kind/badColumn(_:)`` for another type, for NULL unless the value is optional, and for a
    ///   value out of range.
    init(from cell: Cell) throws(PostgresError)
}

/// What may stand in a Swift array that is a parameter or a column.
public protocol ArrayElement: Sendable {
    /// The type of the array of such elements.
    static var arrayType: OID { get }
    /// The array as a parameter.
    static func bind(array: [Self]) -> Bind
    /// Reads an array.
    static func array(from cell: Cell) throws(PostgresError) -> [Self]
}

/// A single value that is parameter, column and array element.
public protocol Scalar: Bindable, Column, ArrayElement {}

/// A value of the domain that is stored as one of PostgreSQL's own.
public protocol StoredAs: Scalar {
    /// What it is stored as.
    associatedtype Stored: Scalar
    /// The stored form.
    var stored: Stored { get }
    /// Reads the stored form; `nil` when it is no value of this type, which becomes ``PostgresError/Kind/badColumn(_:)``.
    init?(stored: Stored)
}

extension StoredAs {
    /// The stored form's type.
    public static var type: OID { Stored.type }
    /// The stored form's array type.
    public static var arrayType: OID { Stored.arrayType }
    /// The stored form as a parameter.
    public var bind: Bind { stored.bind }
    /// Reads the stored form, then the value.
    public init(from cell: Cell) throws(PostgresError) {
        guard let value = Self(stored: try Stored(from: cell)) else { throw cell.bad }
        self = value
    }
}

/// One value of a result as it arrived, valid only while it is being read.
public struct Cell {
    /// The column's name.
    public let name: String
    /// The column's type.
    public let type: OID
    /// The binary form; `nil` is NULL.
    let bytes: UnsafeRawBufferPointer?

    /// True for NULL.
    public var isNull: Bool { bytes == nil }

    /// The error of a column that is not what it is read as.
    public var bad: PostgresError {
        PostgresError(.badColumn(name), message: "column of type \(type.rawValue) does not hold what is read from it")
    }

    /// The bytes of a value that has one of these types and is not NULL.
    func bytes(_ types: OID...) throws(PostgresError) -> UnsafeRawBufferPointer {
        guard let bytes, types.contains(type) else { throw bad }
        return bytes
    }
}

extension UnsafeRawBufferPointer {
    /// The big-endian integer at an offset; the caller has checked the length.
    func integer<T: FixedWidthInteger>(at offset: Int = 0, as: T.Type = T.self) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}

extension [UInt8] {
    /// The big-endian bytes of an integer.
    init(bigEndian value: some FixedWidthInteger) { self = Swift.withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) } }

    /// Adds the big-endian bytes of an integer.
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
