import Testing

@Test func `ConnectorTests placeholder`() { #expect(Bool(true)) }
