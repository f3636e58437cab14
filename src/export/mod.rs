//! What other tools take: [`items`], one record a message.

pub mod items;
