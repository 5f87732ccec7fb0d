/// The number by which PostgreSQL knows a type.
public struct OID: RawRepresentable, Hashable, Sendable {
    /// The number itself.
    public let rawValue: UInt32
    /// Names a type by its number in `pg_type`.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// `boolean`.
    public static let bool = OID(16)
    /// `bytea`.
    public static let bytea = OID(17)
    /// `"char"`, the one-byte type of the catalogues.
    public static let char = OID(18)
    /// `name`.
    public static let name = OID(19)
    /// `bigint`.
    public static let int8 = OID(20)
    /// `smallint`.
    public static let int2 = OID(21)
    /// `integer`.
    public static let int4 = OID(23)
    /// `text`.
    public static let text = OID(25)
    /// `json`.
    public static let json = OID(114)
    /// `boolean[]`.
    public static let boolArray = OID(1000)
    /// `bytea[]`.
    public static let byteaArray = OID(1001)
    /// `integer[]`.
    public static let int4Array = OID(1007)
    /// `text[]`.
    public static let textArray = OID(1009)
    /// `bigint[]`.
    public static let int8Array = OID(1016)
    /// `character(n)`.
    public static let bpchar = OID(1042)
    /// `character varying(n)`.
    public static let varchar = OID(1043)
    /// `date`.
    public static let date = OID(1082)
    /// `date[]`.
    public static let dateArray = OID(1182)
    /// `timestamp with time zone`.
    public static let timestamptz = OID(1184)
    /// `timestamp with time zone[]`.
    public static let timestamptzArray = OID(1185)
    /// `uuid`.
    public static let uuid = OID(2950)
    /// `uuid[]`.
    public static let uuidArray = OID(2951)
    /// `jsonb`.
    public static let jsonb = OID(3802)
    /// `jsonb[]`.
    public static let jsonbArray = OID(3807)
}
