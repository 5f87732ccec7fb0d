import Postgres
import TestSupport
import Testing

@Suite struct ValueTests {
    @Test func `every type comes back as it was sent`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            func roundTrip<T: Bindable & Column & Equatable>(_ values: T...) async throws {
                for value in values {
                    let rows = try await connection.query("SELECT \(value) AS v")
                    let back: T = try #require(rows.first).get("v")
                    #expect(back == value)
                    let same = try await connection.query(
                        "SELECT \(value) IS NOT DISTINCT FROM \(value) AS same, \(value) IS NULL AS missing")
                    #expect(try #require(same.first).get("same") == true)
                }
            }
            try await roundTrip(true, false)
            try await roundTrip(0, 1, -1, Int.min, Int.max)
            try await roundTrip(Int32(0), -1, .min, .max)
            try await roundTrip(Int64(0), -1, .min, .max)
            try await roundTrip("", "a", "商户号 🏦", "'; DROP TABLE x; --", String(repeating: "长", count: 100_000))
            try await roundTrip([UInt8]([]), [0], [255, 0, 1], [UInt8](repeating: 7, count: 1_000_000))
            try await roundTrip(
                PGUUID(high: 0, low: 0), PGUUID(high: .max, low: .max), PGUUID(high: 0x0123_4567_89AB_CDEF, low: 1))
            try await roundTrip(
                PGTimestamp(microseconds: 0), PGTimestamp(microseconds: -1),
                PGTimestamp(microseconds: 1_800_000_000_123_456),
                PGTimestamp(microseconds: -211_813_488_000_000_000 + 946_684_800_000_000))
            try await roundTrip(
                PGDate(daysSinceUnixEpoch: 0), PGDate(daysSinceUnixEpoch: -1), PGDate(daysSinceUnixEpoch: 20_000))
            try await roundTrip(PGJSON(text: #"{"a": [1, null, "\u0001"]}"#), PGJSON(text: "null"))
            try await roundTrip(Int?.none, 5)
            try await roundTrip(String?.none, "x")
            try await roundTrip([UInt8]?.none, [1])
            try await roundTrip(PGUUID?.none, PGTimestamp?.none.map { _ in PGUUID(high: 1, low: 2) })
            await connection.close()
        }
    }

    @Test func `arrays come back as they were sent, with NULLs and empty`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            func roundTrip<T: Bindable & Column & Equatable>(_ values: T...) async throws {
                for value in values {
                    let back: T = try #require(try await connection.query("SELECT \(value) AS v").first).get("v")
                    #expect(back == value)
                }
            }
            try await roundTrip([Int]([]), [1], [Int.min, -1, 0, Int.max], Array(0..<50_000))
            try await roundTrip([Int64]([]), [.min, .max])
            try await roundTrip([Int32]([]), [.min, -1, .max])
            try await roundTrip([Bool]([]), [true, false])
            try await roundTrip([String]([]), ["", "NULL", "{\"a\",b}", "\\"])
            try await roundTrip([[UInt8]]([]), [[], [0, 255]])
            try await roundTrip([PGUUID]([]), [PGUUID(high: 1, low: 2)])
            try await roundTrip([PGTimestamp]([]), [PGTimestamp(microseconds: -5)])
            try await roundTrip([PGDate]([]), [PGDate(daysSinceUnixEpoch: -5)])
            try await roundTrip([PGJSON]([]), [PGJSON(text: "[1]")])
            try await roundTrip([Int?]([]), [nil, 1, nil])
            try await roundTrip([String?]([nil]), ["", nil])
            try await roundTrip([[UInt8]?]([nil]), [[], nil])
            try await roundTrip([PGUUID?]([nil]), [PGUUID(high: 9, low: 9), nil])
            try await roundTrip([Int]?.none, [3])
            await connection.close()
        }
    }

    @Test func `values mean in the server what they mean here`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let row = try #require(
                try await connection.query(
                    """
                    SELECT (\(PGTimestamp(microseconds: 1_800_000_000_123_456)))::text AS stamp,
                           (\(PGDate(daysSinceUnixEpoch: 20_000)))::text AS day,
                           (\(PGUUID(high: 0x0123_4567_89AB_CDEF, low: 0x0011_2233_4455_6677)))::text AS uuid,
                           (\([1, nil, -3] as [Int?]))::text AS numbers, (\([UInt8]([1, 254])))::text AS bytes,
                           (\(PGJSON(text: "{\"a\":1}")))->>'a' AS json, 7::int2 AS small, '{}'::json AS plain
                    """
                ).first)
            #expect(try row.get("stamp") == "2027-01-15 08:00:00.123456+00")
            #expect(try row.get("day") == "2024-10-04")
            #expect(try row.get("uuid") == "01234567-89ab-cdef-0011-223344556677")
            #expect(try row.get("numbers") == "{1,NULL,-3}")
            #expect(try row.get("bytes") == "\\x01fe")
            #expect(try row.get("json") == "1")
            #expect(try row.get("small") == 7)
            #expect(try row.get("plain") == PGJSON(text: "{}"))
            await connection.close()
        }
    }

    @Test func `a missing, mistyped, NULL or infinite column is refused by name`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let row = try #require(
                try await connection.query(
                    """
                    SELECT 1::bigint AS number, 'x'::text AS word, NULL::bigint AS nothing, ARRAY[1,NULL]::bigint[] AS holes,
                           '{}'::int4[] AS narrow, '{{1,2},{3,4}}'::bigint[] AS square, 1.5::numeric AS decimal,
                           'infinity'::timestamptz AS forever, '-infinity'::date AS never
                    """
                ).first)
            func refused<T: Column>(_ name: String, _ type: T.Type) {
                #expect(throws: PostgresError.self) { try row.get(name, as: type) }
                do { _ = try row.get(name, as: type) } catch { #expect(error.kind == .badColumn(name)) }
            }
            refused("absent", Int.self)
            refused("number", String.self)
            refused("number", Int32.self)
            refused("word", Int.self)
            refused("word", PGUUID.self)
            refused("word", Int?.self)
            refused("nothing", Int.self)
            refused("holes", [Int].self)
            refused("narrow", [Int].self)
            refused("square", [Int].self)
            refused("decimal", Int.self)
            refused("forever", PGTimestamp.self)
            refused("never", PGDate.self)
            #expect(try row.get("holes") == [1, nil] as [Int?])
            #expect(try row.get("nothing") == Int?.none)
            await connection.close()
        }
    }

    @Test func `what PostgreSQL cannot hold is refused before it is sent`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let bad: [SQL] = [
                "SELECT \("a\0b")", "SELECT \(["ok", "a\0"])", "SELECT \(PGJSON(text: "\0"))",
                "SELECT \(PGTimestamp(microseconds: .min))",
                "SELECT \(PGDate(daysSinceUnixEpoch: .max))", "SELECT \(PGDate(daysSinceUnixEpoch: -3_000_000))",
            ]
            try await connection.script("CREATE TABLE touched (n int)")
            for statement in bad {
                let error = await failure {
                    _ = try await connection.pipeline(["INSERT INTO touched VALUES (1)", statement])
                }
                #expect(error?.kind == .invalidParameter)
                #expect(error?.statementIndex == 1)
            }
            #expect(await failure { try await connection.script("SELECT 1;\0") }?.kind == .invalidParameter)
            #expect(try await connection.query("SELECT n FROM touched").isEmpty)
            await connection.close()
        }
    }
}
