import CustodyDomain
import Postgres

extension UUIDv7: ArrayElement, Bindable, Column, Scalar,
    StoredAs
{
    /// Stored as `uuid`.
    public var stored: PGUUID { PGUUID(high: high, low: low) }
    /// Reads a `uuid`.
    public init?(stored: PGUUID) { self.init(high: stored.high, low: stored.low) }
}

extension ID: ArrayElement, Bindable, Column, Scalar,
    StoredAs
{
    /// Stored as `uuid`.
    public var stored: PGUUID { uuid.stored }
    /// Reads a `uuid`.
    public init?(stored: PGUUID) { self.init(UUIDv7(high: stored.high, low: stored.low)) }
}

extension Fen: ArrayElement, Bindable, Column, Scalar,
    StoredAs
{
    /// Stored as `bigint`.
    public var stored: Int64 { value }
    /// Reads a `bigint`.
    public init?(stored: Int64) { self.init(stored) }
}

extension Instant: ArrayElement, Bindable, Column, Scalar,
    StoredAs
{
    /// Stored as `timestamptz`.
    public var stored: PGTimestamp { PGTimestamp(microseconds: microseconds) }
    /// Reads a `timestamptz`.
    public init?(stored: PGTimestamp) { self.init(microseconds: stored.microseconds) }
}

extension BusinessDate: ArrayElement, Bindable, Column, Scalar,
    StoredAs
{
    /// Stored as `date`.
    public var stored: PGDate { PGDate(daysSinceUnixEpoch: daysSinceEpoch) }
    /// Reads a `date`.
    public init?(stored: PGDate) { self.init(daysSinceEpoch: stored.daysSinceUnixEpoch) }
}

extension Row {
    /// Reads a column that holds a state or kind by its raw string.
    func get<T: RawRepresentable>(_ name: String, as type: T.Type = T.self) throws(PostgresError) -> T
    where T.RawValue == String {
        guard let value = T(rawValue: try get(name, as: String.self)) else {
            throw PostgresError(.badColumn(name), message: "the column holds an unknown word")
        }
        return value
    }
}
