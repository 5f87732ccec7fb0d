import CustodyDomain

extension Capabilities {
    /// What CCB 惠市宝 has.
    public static let ccb = Capabilities(
        name: "CCB",
        operations: [
            .collect, .queryCollection, .refund, .confirmSettlement, .querySplit, .querySubMerchant, .query,
        ],
        repeatable: [.confirmSettlement],
        collector: .custodian, signer: .custodian, splitTimings: [.atOrder, .onConfirmation], confirmsPartially: false,
        refundSources: [.held, .available], withdrawalSpeeds: [.batch], verifications: [.none],
        deliveries: [.push, .poll], fileKinds: [],
        limits: .init(partsPerOrder: 20, itemsPerSplit: 20, splitsPerOrder: 1, refundsPerOrder: 50),
        numbers: .init(serialLength: 32, businessLength: 40, alphanumericOnly: true, isOneSpace: false),
        notifySchedule: Array(repeating: .seconds(300), count: 6),
        testGaps: ["only H5 payments (Pymd_Cd 03)"])
}
