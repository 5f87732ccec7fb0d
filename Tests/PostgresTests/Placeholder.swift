import Testing

@Test func `PostgresTests placeholder`() { #expect(Bool(true)) }
