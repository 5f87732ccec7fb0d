import CLibpq

/// The columns of a result, shared by every execution of one prepared statement.
final class Columns: Sendable {
    let names: [String]
    let types: [OID]
    let indices: [String: Int]

    init(_ result: OpaquePointer) {
        let count = PQnfields(result)
        names = (0..<count).map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
        types = (0..<count).map { OID(PQftype(result, $0)) }
        // The first of two equal names wins, as in libpq.
        indices = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }
}

/// Owns one libpq result.
///
/// Why unchecked: a PGresult does not change after it is made, and the functions called on it here only read it.
final class ResultStorage: @unchecked Sendable {
    let pointer: OpaquePointer?
    let columns: Columns?

    init(_ pointer: OpaquePointer?, columns: Columns?) {
        self.pointer = pointer
        self.columns = columns
    }

    deinit { PQclear(pointer) }
}

/// What one statement answered: its rows, and how many it touched.
public struct Rows: RandomAccessCollection, Sendable {
    let storage: ResultStorage
    /// How many rows were returned.
    public let count: Int
    /// How many rows were selected, inserted, updated, deleted, merged or copied; 0 for other statements.
    public let affected: Int

    init(_ pointer: OpaquePointer?, columns: Columns?) {
        storage = ResultStorage(pointer, columns: columns)
        count = Int(PQntuples(pointer))
        affected = PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0
    }

    /// The first row's index, 0.
    public var startIndex: Int { 0 }
    /// One past the last row's index.
    public var endIndex: Int { count }
    /// The row at an index.
    public subscript(position: Int) -> Row {
        precondition(position >= 0 && position < count, "row index out of range")
        return Row(storage: storage, index: Int32(position))
    }
}

/// One row of a result.
public struct Row: Sendable {
    let storage: ResultStorage
    let index: Int32

    /// Reads a column by name; an optional type reads NULL as `nil`.
    ///
    /// - Throws: ``PostgresError/Kind/badColumn(_:)`` when it is missing or of another type.
    public func get<T: Column>(_ name: String, as type: T.Type = T.self) throws(PostgresError) -> T {
        guard let pointer = storage.pointer, let columns = storage.columns, let column = columns.indices[name] else {
            throw PostgresError(.badColumn(name), message: "the result has no such column")
        }
        let number = Int32(column)
        var bytes: UnsafeRawBufferPointer?
        if PQgetisnull(pointer, index, number) == 0 {
            let length = Int(PQgetlength(pointer, index, number))
            bytes = UnsafeRawBufferPointer(start: PQgetvalue(pointer, index, number), count: length)
        }
        let value = Result { () throws(PostgresError) -> T in
            try T(from: Cell(name: name, type: columns.types[column], bytes: bytes))
        }
        // The cell points into the result: it must outlive the reading.
        return try withExtendedLifetime(storage) { value }.get()
    }
}
