import Testing

@Test func `SimulatorTests placeholder`() { #expect(Bool(true)) }
